package main

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pagi/tests/clients/matrix"
)

func address(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func (c *client) Brokers(ctx context.Context) ([]string, error) {
	found, err := c.admin.ListBrokers(ctx)
	var brokers []string
	for _, broker := range found {
		brokers = append(brokers, address(broker.Host, broker.Port))
	}
	return brokers, err
}

func (c *client) Cluster(ctx context.Context) (matrix.Cluster, error) {
	answer, err := kmsg.NewPtrDescribeClusterRequest().RequestWith(ctx, c.plain)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	if err != nil {
		return matrix.Cluster{}, err
	}
	found := matrix.Cluster{ID: answer.ClusterID}
	for _, broker := range answer.Brokers {
		found.Addresses = append(found.Addresses, address(broker.Host, broker.Port))
		found.Controlled = found.Controlled || broker.NodeID == answer.ControllerID
	}
	return found, nil
}

func (c *client) CreateTopic(ctx context.Context, name string, partitions, replicas int, configs map[string]string) error {
	settings := map[string]*string{}
	for key, value := range configs {
		settings[key] = &value
	}
	_, err := c.admin.CreateTopic(ctx, int32(partitions), int16(replicas), settings, name)
	return err
}

func (c *client) DeleteTopic(ctx context.Context, name string) error {
	_, err := c.admin.DeleteTopic(ctx, name)
	return err
}

func (c *client) ListTopics(ctx context.Context) ([]string, error) {
	found, err := c.admin.ListTopics(ctx)
	return found.Names(), err
}

func (c *client) DescribeTopic(ctx context.Context, name string) (matrix.Topic, error) {
	found, err := c.admin.Metadata(ctx, name)
	if err != nil {
		return matrix.Topic{}, err
	}
	topic := matrix.Topic{Partitions: len(found.Topics[name].Partitions)}
	for _, partition := range found.Topics[name].Partitions {
		if partition.Err == nil && partition.Leader >= 0 && len(partition.Replicas) == 1 && len(partition.ISR) == 1 {
			topic.Led++
		}
	}
	return topic, found.Topics[name].Err
}

func (c *client) CreatePartitions(ctx context.Context, topic string, total int) error {
	answers, err := c.admin.UpdatePartitions(ctx, total, topic)
	if err == nil {
		_, err = answers.On(topic, func(answer *kadm.CreatePartitionsResponse) error { return answer.Err })
	}
	return err
}

func (c *client) DeleteRecords(ctx context.Context, topic string, partition int32, before int64) (int64, error) {
	wanted := kadm.Offsets{}
	wanted.AddOffset(topic, partition, before, -1)
	answers, err := c.admin.DeleteRecords(ctx, wanted)
	if err != nil {
		return 0, err
	}
	answer, found := answers.Lookup(topic, partition)
	if !found {
		return 0, errors.New("no answer for the partition")
	}
	return answer.LowWatermark, answer.Err
}

// Offset asks by a request of its own: kadm answers the end where no record is late enough.
func (c *client) Offset(ctx context.Context, topic string, partition int32, at int64) (int64, error) {
	wanted := kmsg.NewListOffsetsRequestTopicPartition()
	wanted.Partition, wanted.Timestamp = partition, at
	request := kmsg.NewPtrListOffsetsRequest()
	request.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{wanted}}}
	answer, err := request.RequestWith(ctx, c.plain)
	if err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, errors.New("no answer for the partition")
	}
	one := answer.Topics[0].Partitions[0]
	return one.Offset, kerr.ErrorForCode(one.ErrorCode)
}

func (c *client) TopicConfigs(ctx context.Context, topic string) (map[string]matrix.Config, error) {
	answers, err := c.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	answer, err := answers.On(topic, func(one *kadm.ResourceConfig) error { return one.Err })
	found := map[string]matrix.Config{}
	for _, config := range answer.Configs {
		found[config.Key] = matrix.Config{Value: config.MaybeValue(), Source: config.Source.String()}
	}
	return found, err
}

func (c *client) SetConfig(ctx context.Context, topic, name string, value *string) error {
	change := kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: value}
	if value == nil {
		change.Op = kadm.DeleteConfig
	}
	answers, err := c.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic)
	return altered(answers, err, topic)
}

func (c *client) ReplaceConfigs(ctx context.Context, topic string, configs map[string]string) error {
	var all []kadm.AlterConfig
	for name, value := range configs {
		all = append(all, kadm.AlterConfig{Name: name, Value: &value})
	}
	answers, err := c.admin.AlterTopicConfigsState(ctx, all, topic)
	return altered(answers, err, topic)
}

func altered(answers kadm.AlterConfigsResponses, err error, topic string) error {
	if err == nil {
		_, err = answers.On(topic, func(answer *kadm.AlterConfigsResponse) error { return answer.Err })
	}
	return err
}

func (c *client) ListGroups(ctx context.Context) ([]string, error) {
	found, err := c.admin.ListGroups(ctx)
	return found.Groups(), err
}

func (c *client) DescribeGroup(ctx context.Context, group string) (matrix.Group, error) {
	answers, err := c.admin.DescribeGroups(ctx, group)
	if err != nil {
		return matrix.Group{}, err
	}
	answer := answers[group]
	found := matrix.Group{State: answer.State, ProtocolType: answer.ProtocolType, Protocol: answer.Protocol, Members: len(answer.Members)}
	for _, member := range answer.Members {
		found.Clients = append(found.Clients, member.ClientID)
	}
	return found, answer.Err
}

func (c *client) DeleteGroup(ctx context.Context, group string) error {
	answer, err := c.admin.DeleteGroup(ctx, group)
	if err == nil {
		err = answer.Err
	}
	return err
}

func (c *client) Committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	answers, err := c.admin.FetchOffsets(ctx, group)
	found := map[int32]int64{}
	answers.Offsets().Each(func(offset kadm.Offset) {
		if offset.Topic == topic {
			found[offset.Partition] = offset.At
		}
	})
	return found, err
}

func (c *client) DeleteCommitted(ctx context.Context, group, topic string, partition int32) error {
	wanted := kadm.TopicsSet{}
	wanted.Add(topic, partition)
	answers, err := c.admin.DeleteOffsets(ctx, group, wanted)
	if err == nil {
		err = answers.Error()
	}
	return err
}
