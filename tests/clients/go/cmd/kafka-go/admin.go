package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"pagi/tests/clients/matrix"
)

func address(broker kafka.Broker) string {
	return net.JoinHostPort(broker.Host, strconv.Itoa(broker.Port))
}

func (c *client) Brokers(ctx context.Context) ([]string, error) {
	found, err := c.Cluster(ctx)
	return found.Addresses, err
}

// Cluster is told by Metadata: kafka-go has no DescribeCluster.
func (c *client) Cluster(ctx context.Context) (matrix.Cluster, error) {
	answer, err := c.plain.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return matrix.Cluster{}, err
	}
	found := matrix.Cluster{ID: answer.ClusterID}
	for _, broker := range answer.Brokers {
		found.Addresses = append(found.Addresses, address(broker))
		found.Controlled = found.Controlled || broker.ID == answer.Controller.ID && broker.Port == answer.Controller.Port
	}
	return found, nil
}

func (c *client) CreateTopic(ctx context.Context, name string, partitions, replicas int, configs map[string]string) error {
	topic := kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: replicas}
	for key, value := range configs {
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: key, ConfigValue: value})
	}
	answer, err := c.plain.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err == nil {
		err = answer.Errors[name]
	}
	return err
}

func (c *client) DeleteTopic(ctx context.Context, name string) error {
	answer, err := c.plain.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err == nil {
		err = answer.Errors[name]
	}
	return err
}

func (c *client) ListTopics(ctx context.Context) ([]string, error) {
	answer, err := c.plain.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, topic := range answer.Topics {
		names = append(names, topic.Name)
	}
	return names, nil
}

func (c *client) DescribeTopic(ctx context.Context, name string) (matrix.Topic, error) {
	answer, err := c.plain.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
	if err != nil {
		return matrix.Topic{}, err
	}
	if len(answer.Topics) != 1 {
		return matrix.Topic{}, errors.New("not one answer")
	}
	topic := matrix.Topic{Partitions: len(answer.Topics[0].Partitions)}
	for _, one := range answer.Topics[0].Partitions {
		if one.Error == nil && one.Leader.Port > 0 && len(one.Replicas) == 1 && len(one.Isr) == 1 {
			topic.Led++
		}
	}
	return topic, answer.Topics[0].Error
}

func (c *client) CreatePartitions(ctx context.Context, topic string, total int) error {
	wanted := kafka.TopicPartitionsConfig{Name: topic, Count: int32(total)}
	answer, err := c.plain.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{wanted}})
	if err == nil {
		err = answer.Errors[topic]
	}
	return err
}

func (c *client) DeleteRecords(context.Context, string, int32, int64) (int64, error) {
	return 0, matrix.NotAvailable("kafka-go has no DeleteRecords")
}

func (c *client) Offset(ctx context.Context, topic string, partition int32, at int64) (int64, error) {
	wanted := kafka.TimeOffsetOf(int(partition), time.UnixMilli(at))
	switch at {
	case matrix.Earliest:
		wanted = kafka.FirstOffsetOf(int(partition))
	case matrix.Latest:
		wanted = kafka.LastOffsetOf(int(partition))
	}
	answer, err := c.plain.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {wanted}}})
	if err != nil {
		return 0, err
	}
	if len(answer.Topics[topic]) != 1 {
		return 0, errors.New("no answer for the partition")
	}
	found := answer.Topics[topic][0]
	switch at {
	case matrix.Earliest:
		return found.FirstOffset, found.Error
	case matrix.Latest:
		return found.LastOffset, found.Error
	}
	for offset := range found.Offsets {
		return offset, found.Error
	}
	return -1, found.Error
}

func (c *client) TopicConfigs(ctx context.Context, topic string) (map[string]matrix.Config, error) {
	wanted := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}
	answer, err := c.plain.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{wanted}})
	if err != nil {
		return nil, err
	}
	found := map[string]matrix.Config{}
	for _, resource := range answer.Resources {
		for _, entry := range resource.ConfigEntries {
			found[entry.ConfigName] = matrix.Config{Value: entry.ConfigValue, Source: strconv.Itoa(int(entry.ConfigSource))}
		}
		err = errors.Join(err, resource.Error)
	}
	return found, err
}

func (c *client) SetConfig(ctx context.Context, topic, name string, value *string) error {
	change := kafka.IncrementalAlterConfigsRequestConfig{Name: name, ConfigOperation: kafka.ConfigOperationDelete}
	if value != nil {
		change.Value, change.ConfigOperation = *value, kafka.ConfigOperationSet
	}
	answer, err := c.plain.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{change},
		}},
	})
	if err != nil {
		return err
	}
	for _, resource := range answer.Resources {
		err = errors.Join(err, resource.Error)
	}
	return err
}

func (c *client) ReplaceConfigs(ctx context.Context, topic string, configs map[string]string) error {
	wanted := kafka.AlterConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}
	for name, value := range configs {
		wanted.Configs = append(wanted.Configs, kafka.AlterConfigRequestConfig{Name: name, Value: value})
	}
	answer, err := c.plain.AlterConfigs(ctx, &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{wanted}})
	if err != nil {
		return err
	}
	for _, one := range answer.Errors {
		err = errors.Join(err, one)
	}
	return err
}

func (c *client) ListGroups(ctx context.Context) ([]string, error) {
	answer, err := c.plain.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, group := range answer.Groups {
		names = append(names, group.GroupID)
	}
	return names, answer.Error
}

func (c *client) DescribeGroup(ctx context.Context, group string) (matrix.Group, error) {
	answer, err := c.plain.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return matrix.Group{}, err
	}
	if len(answer.Groups) != 1 {
		return matrix.Group{}, errors.New("not one answer")
	}
	one := answer.Groups[0]
	found := matrix.Group{State: one.GroupState, Members: len(one.Members)}
	for _, member := range one.Members {
		found.Clients = append(found.Clients, member.ClientID)
	}
	return found, one.Error
}

func (c *client) DeleteGroup(ctx context.Context, group string) error {
	answer, err := c.plain.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err == nil {
		err = answer.Errors[group]
	}
	return err
}

func (c *client) Committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	described, err := c.DescribeTopic(ctx, topic)
	if err != nil {
		return nil, err
	}
	var all []int
	for partition := range described.Partitions {
		all = append(all, partition)
	}
	answer, err := c.plain.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: all}})
	if err != nil {
		return nil, err
	}
	found := map[int32]int64{}
	err = answer.Error
	for _, one := range answer.Topics[topic] {
		if one.CommittedOffset >= 0 {
			found[int32(one.Partition)] = one.CommittedOffset
		}
		err = errors.Join(err, one.Error)
	}
	return found, err
}

func (c *client) DeleteCommitted(ctx context.Context, group, topic string, partition int32) error {
	answer, err := c.plain.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: group, Topics: map[string][]int{topic: {int(partition)}}})
	if err != nil {
		return err
	}
	err = answer.Error
	for _, one := range answer.Topics[topic] {
		err = errors.Join(err, one.Error)
	}
	return err
}
