package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"pagi/tests/clients/matrix"
)

type member struct {
	*matrix.Feed
	group sarama.ConsumerGroup
	topic string
	stop  context.CancelFunc
	done  chan struct{}

	lock sync.Mutex
	now  sarama.ConsumerGroupSession
}

func (c *client) Member(group, topic string, options matrix.MemberOptions) (matrix.Member, error) {
	if options.Cooperative {
		return nil, matrix.NotAvailable("sarama has no cooperative rebalance")
	}
	config := settings()
	config.Consumer.Group.InstanceId = options.InstanceID
	config.Consumer.MaxWaitTime = 250 * time.Millisecond
	made, err := sarama.NewConsumerGroup([]string{c.bootstrap}, group, config)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	one := &member{Feed: matrix.NewFeed(), group: made, topic: topic, stop: stop, done: make(chan struct{})}
	go one.run(ctx)
	go func() {
		for err := range made.Errors() {
			if errors.Is(err, sarama.ErrFencedInstancedId) {
				one.Fail(err)
			}
		}
	}()
	return one, nil
}

func (m *member) run(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		err := m.group.Consume(ctx, []string{m.topic}, m)
		if err != nil && ctx.Err() == nil {
			m.Fail(err)
			return
		}
	}
}

// Setup implements sarama.ConsumerGroupHandler.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	m.now = session
	m.lock.Unlock()
	m.Took(session.Claims()[m.topic])
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler.
func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	m.Gave(session.Claims()[m.topic])
	return nil
}

// ConsumeClaim implements sarama.ConsumerGroupHandler.
func (m *member) ConsumeClaim(_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		m.Give([]matrix.Record{consumed(message)})
	}
	return nil
}

// Commit marks and commits; what sarama does not tell shows in the committed offsets.
func (m *member) Commit(ctx context.Context, offsets map[int32]int64) error {
	m.lock.Lock()
	session := m.now
	m.lock.Unlock()
	for partition, offset := range offsets {
		session.MarkOffset(m.topic, partition, offset, "")
	}
	session.Commit()
	return nil
}

func (m *member) Close() {
	m.stop()
	select {
	case <-m.done:
	case <-time.After(matrix.CaseTime):
	}
	_ = m.group.Close()
}
