package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consume reads the topic from its beginning to its end, again and again until the time is over.
func consume(given settings) (outcome, error) {
	client, err := connect(given)
	if err != nil {
		return outcome{}, err
	}
	ends, err := endOffsets(client, given)
	client.Close()
	if err != nil {
		return outcome{}, err
	}
	from := time.Now().Add(time.Duration(given.warmUp * float64(time.Second)))
	load := &consumerLoad{given: given, from: from, until: from.Add(time.Duration(given.seconds * float64(time.Second)))}
	failed := make([]error, given.clients)
	var running sync.WaitGroup
	for i := range failed {
		share := map[int32]int64{}
		for partition, end := range ends {
			if int(partition)%given.clients == i && end > 0 {
				share[partition] = end
			}
		}
		running.Add(1)
		go func() {
			defer running.Done()
			for time.Now().Before(load.until) && failed[i] == nil && len(share) > 0 {
				failed[i] = load.once(share)
			}
		}()
	}
	running.Wait()
	return outcome{load.records.Load(), load.bytes.Load(), given.seconds, nil, nil}, errors.Join(failed...)
}

func endOffsets(client *kgo.Client, given settings) (map[int32]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = given.topic
	for partition := range given.partitions {
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp = int32(partition), -1
		topic.Partitions = append(topic.Partitions, one)
	}
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(context.Background(), client)
	if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	var all int64
	for _, topic := range answer.Topics {
		for _, one := range topic.Partitions {
			if err := kerr.ErrorForCode(one.ErrorCode); err != nil {
				return nil, err
			}
			ends[one.Partition] = one.Offset
			all += one.Offset
		}
	}
	if all == 0 {
		return nil, errors.New("the topic holds no records")
	}
	return ends, nil
}

type consumerLoad struct {
	given          settings
	from, until    time.Time
	records, bytes atomic.Int64
}

// once reads these partitions up to their ends, or until the time is over.
func (l *consumerLoad) once(ends map[int32]int64) error {
	starts := map[int32]kgo.Offset{}
	for partition := range ends {
		starts[partition] = kgo.NewOffset().AtStart()
	}
	client, err := connect(l.given,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.given.topic: starts}),
		kgo.FetchMaxPartitionBytes(int32(l.given.maxFetchBytes)))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithDeadline(context.Background(), l.until)
	defer cancel()
	reached := map[int32]bool{}
	for len(reached) < len(ends) && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if failed := fetches.Err(); failed != nil && ctx.Err() == nil {
			return failed
		}
		now := time.Now()
		fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
			for _, record := range fetched.Records {
				if now.After(l.from) {
					l.records.Add(1)
					l.bytes.Add(int64(len(record.Value)))
				}
				if record.Offset+1 >= ends[record.Partition] {
					reached[record.Partition] = true
				}
			}
		})
	}
	return nil
}
