package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"pagi/tests/clients/matrix"
)

type member struct {
	*matrix.Feed
	client *client
	group  *kafka.ConsumerGroup
	topic  string

	lock sync.Mutex
	now  *kafka.Generation
}

func (c *client) Member(group, topic string, options matrix.MemberOptions) (matrix.Member, error) {
	if options.Cooperative {
		return nil, matrix.NotAvailable("kafka-go has no cooperative rebalance")
	}
	if options.InstanceID != "" {
		return nil, matrix.NotAvailable("kafka-go has no static membership")
	}
	made, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: []string{c.bootstrap}, Topics: []string{topic}, Dialer: dialer(),
		GroupBalancers: []kafka.GroupBalancer{kafka.RangeGroupBalancer{}}, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: 100 * time.Millisecond, SessionTimeout: 10 * time.Second,
		JoinGroupBackoff: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	one := &member{Feed: matrix.NewFeed(), client: c, group: made, topic: topic}
	go one.run()
	return one, nil
}

// run goes from generation to generation.
func (m *member) run() {
	for {
		generation, err := m.group.Next(context.Background())
		if errors.Is(err, kafka.ErrGroupClosed) {
			return
		}
		// A coordinator that is about to be there: kafka-go's own Reader asks again, too.
		var code kafka.Error
		if errors.As(err, &code) && code.Temporary() {
			continue
		}
		if err != nil {
			m.Fail(err)
			return
		}
		m.lock.Lock()
		m.now = generation
		m.lock.Unlock()
		var partitions []int32
		for _, one := range generation.Assignments[m.topic] {
			partitions = append(partitions, int32(one.ID))
			generation.Start(func(ctx context.Context) { m.read(ctx, one) })
		}
		generation.Start(func(ctx context.Context) {
			<-ctx.Done()
			m.Gave(partitions)
		})
		m.Took(partitions)
	}
}

func (m *member) read(ctx context.Context, from kafka.PartitionAssignment) {
	made, err := m.client.Reader(m.topic, matrix.ReadOptions{Partition: int32(from.ID), Start: from.Offset})
	if err != nil {
		m.Fail(err)
		return
	}
	defer made.Close()
	for {
		records, err := made.Read(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.Fail(err)
			return
		}
		m.Give(records)
	}
}

func (m *member) Commit(_ context.Context, offsets map[int32]int64) error {
	wanted := map[int]int64{}
	for partition, offset := range offsets {
		wanted[int(partition)] = offset
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.now.CommitOffsets(map[string]map[int]int64{m.topic: wanted})
}

func (m *member) Close() { _ = m.group.Close() }
