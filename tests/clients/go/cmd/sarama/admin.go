package main

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

	"pagi/tests/clients/matrix"
)

func (c *client) Brokers(context.Context) ([]string, error) {
	if err := c.plain.RefreshMetadata(); err != nil {
		return nil, err
	}
	var brokers []string
	for _, broker := range c.plain.Brokers() {
		brokers = append(brokers, broker.Addr())
	}
	return brokers, nil
}

// Cluster is told by Metadata; sarama shows no cluster id elsewhere.
func (c *client) Cluster(context.Context) (matrix.Cluster, error) {
	controller, err := c.plain.Controller()
	if err != nil {
		return matrix.Cluster{}, err
	}
	answer, err := controller.GetMetadata(sarama.NewMetadataRequest(sarama.MaxVersion, []string{}))
	if err != nil {
		return matrix.Cluster{}, err
	}
	brokers, id, err := c.admin.DescribeCluster()
	found := matrix.Cluster{}
	if answer.ClusterID != nil {
		found.ID = *answer.ClusterID
	}
	for _, broker := range brokers {
		found.Addresses = append(found.Addresses, broker.Addr())
		found.Controlled = found.Controlled || broker.ID() == id
	}
	return found, err
}

func (c *client) CreateTopic(_ context.Context, name string, partitions, replicas int, configs map[string]string) error {
	detail := sarama.TopicDetail{
		NumPartitions: int32(partitions), ReplicationFactor: int16(replicas), ConfigEntries: map[string]*string{},
	}
	for key, value := range configs {
		detail.ConfigEntries[key] = &value
	}
	return c.admin.CreateTopic(name, &detail, false)
}

func (c *client) DeleteTopic(_ context.Context, name string) error { return c.admin.DeleteTopic(name) }

func (c *client) ListTopics(context.Context) ([]string, error) {
	found, err := c.admin.ListTopics()
	var names []string
	for name := range found {
		names = append(names, name)
	}
	return names, err
}

func (c *client) DescribeTopic(_ context.Context, name string) (matrix.Topic, error) {
	answers, err := c.admin.DescribeTopics([]string{name})
	if err != nil {
		return matrix.Topic{}, err
	}
	if len(answers) != 1 {
		return matrix.Topic{}, errors.New("not one answer")
	}
	topic := matrix.Topic{Partitions: len(answers[0].Partitions)}
	for _, one := range answers[0].Partitions {
		if one.Err == sarama.ErrNoError && one.Leader >= 0 && len(one.Replicas) == 1 && len(one.Isr) == 1 {
			topic.Led++
		}
	}
	return topic, coded(answers[0].Err)
}

// coded makes nil of sarama's code for no error.
func coded(code sarama.KError) error {
	if code == sarama.ErrNoError {
		return nil
	}
	return code
}

func (c *client) CreatePartitions(_ context.Context, topic string, total int) error {
	return c.admin.CreatePartitions(topic, int32(total), nil, false)
}

func (c *client) DeleteRecords(_ context.Context, topic string, partition int32, before int64) (int64, error) {
	return -1, c.admin.DeleteRecords(topic, map[int32]int64{partition: before})
}

func (c *client) Offset(_ context.Context, topic string, partition int32, at int64) (int64, error) {
	answers, err := c.admin.ListOffsets(map[string]map[int32]int64{topic: {partition: at}}, nil)
	if err != nil {
		return 0, err
	}
	answer := answers[topic][partition]
	if answer == nil {
		return 0, errors.New("no answer for the partition")
	}
	var code sarama.KError
	if errors.As(answer.Err, &code) {
		return answer.Offset, coded(code)
	}
	return answer.Offset, answer.Err
}

func (c *client) TopicConfigs(_ context.Context, topic string) (map[string]matrix.Config, error) {
	entries, err := c.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	found := map[string]matrix.Config{}
	for _, entry := range entries {
		found[entry.Name] = matrix.Config{Value: entry.Value, Source: entry.Source.String()}
	}
	return found, err
}

func (c *client) SetConfig(_ context.Context, topic, name string, value *string) error {
	change := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: value}
	if value == nil {
		change.Operation = sarama.IncrementalAlterConfigsOperationDelete
	}
	return c.admin.IncrementalAlterConfig(sarama.TopicResource, topic,
		map[string]sarama.IncrementalAlterConfigsEntry{name: change}, false)
}

func (c *client) ReplaceConfigs(_ context.Context, topic string, configs map[string]string) error {
	all := map[string]*string{}
	for name, value := range configs {
		all[name] = &value
	}
	return c.admin.AlterConfig(sarama.TopicResource, topic, all, false)
}

func (c *client) ListGroups(context.Context) ([]string, error) {
	found, err := c.admin.ListConsumerGroups()
	var names []string
	for name := range found {
		names = append(names, name)
	}
	return names, err
}

func (c *client) DescribeGroup(_ context.Context, group string) (matrix.Group, error) {
	answers, err := c.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return matrix.Group{}, err
	}
	if len(answers) != 1 {
		return matrix.Group{}, errors.New("not one answer")
	}
	answer := answers[0]
	found := matrix.Group{State: answer.State, ProtocolType: answer.ProtocolType, Protocol: answer.Protocol, Members: len(answer.Members)}
	for _, member := range answer.Members {
		found.Clients = append(found.Clients, member.ClientId)
	}
	return found, coded(answer.Err)
}

func (c *client) DeleteGroup(_ context.Context, group string) error {
	return c.admin.DeleteConsumerGroup(group)
}

func (c *client) Committed(_ context.Context, group, topic string) (map[int32]int64, error) {
	answer, err := c.admin.ListConsumerGroupOffsets(group, nil)
	if err != nil {
		return nil, err
	}
	found := map[int32]int64{}
	for partition, block := range answer.Blocks[topic] {
		if block.Offset >= 0 {
			found[partition] = block.Offset
		}
	}
	return found, coded(answer.Err)
}

func (c *client) DeleteCommitted(_ context.Context, group, topic string, partition int32) error {
	return c.admin.DeleteConsumerGroupOffset(group, topic, partition)
}
