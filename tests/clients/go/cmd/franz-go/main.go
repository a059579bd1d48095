// franz-go (kgo and kadm) for the clients matrix.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pagi/tests/clients/matrix"
)

type client struct {
	bootstrap string
	plain     *kgo.Client
	admin     *kadm.Client
}

func main() {
	matrix.ErrorNumber = func(err error) (int16, bool) {
		var known *kerr.Error
		if errors.As(err, &known) {
			return known.Code, true
		}
		return 0, false
	}
	matrix.Main("franz-go "+matrix.Version("github.com/twmb/franz-go"), func(bootstrap string) (matrix.Client, error) {
		plain, err := connect(bootstrap)
		if err != nil {
			return nil, err
		}
		return &client{bootstrap, plain, kadm.NewClient(plain)}, nil
	})
}

func connect(bootstrap string, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.ClientID(matrix.ClientID),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.FetchMaxWait(5 * time.Second),
		kgo.DisableClientMetrics(),
	}, options...)...)
}

func (c *client) Close() { c.plain.Close() }

type producer struct{ kgo *kgo.Client }

var codecs = map[string]kgo.CompressionCodec{
	"": kgo.NoCompression(), "none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (c *client) Producer(options matrix.ProduceOptions) (matrix.Producer, error) {
	settings := []kgo.Opt{
		kgo.ProducerBatchCompression(codecs[options.Codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.RequiredAcks(map[int]kgo.Acks{-1: kgo.AllISRAcks(), 1: kgo.LeaderAck(), 0: kgo.NoAck()}[options.Acks]),
	}
	if !options.Idempotent {
		settings = append(settings, kgo.DisableIdempotentWrite())
	}
	if options.MaxBytes > 0 {
		settings = append(settings, kgo.ProducerBatchMaxBytes(int32(options.MaxBytes)))
	}
	made, err := connect(c.bootstrap, settings...)
	return producer{made}, err
}

func (p producer) Produce(ctx context.Context, topic string, records []matrix.Record) ([]int64, error) {
	sent := make([]*kgo.Record, len(records))
	for i, record := range records {
		sent[i] = &kgo.Record{
			Topic: topic, Partition: record.Partition, Key: record.Key, Value: record.Value,
			Timestamp: time.UnixMilli(record.Timestamp),
		}
		for _, header := range record.Headers {
			sent[i].Headers = append(sent[i].Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
	}
	results := p.kgo.ProduceSync(ctx, sent...)
	offsets := make([]int64, len(sent))
	for i, record := range sent {
		offsets[i] = record.Offset
	}
	return offsets, results.FirstErr()
}

func (p producer) Close() { p.kgo.Close() }

// codecNames are by the number in a batch's attributes.
var codecNames = map[uint8]string{0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}

type reader struct {
	kgo       *kgo.Client
	topic     string
	partition int32
}

func (c *client) Reader(topic string, options matrix.ReadOptions) (matrix.Reader, error) {
	start := kgo.NewOffset().At(options.Start)
	switch options.Start {
	case matrix.Earliest:
		start = kgo.NewOffset().AtStart()
	case matrix.Latest:
		start = kgo.NewOffset().AtEnd()
	}
	reset := kgo.NoResetOffset()
	switch options.Reset {
	case "earliest":
		reset = kgo.NewOffset().AtStart()
	case "latest":
		reset = kgo.NewOffset().AtEnd()
	}
	isolation := kgo.ReadUncommitted()
	if options.ReadCommitted {
		isolation = kgo.ReadCommitted()
	}
	made, err := connect(c.bootstrap,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {options.Partition: start}}),
		kgo.ConsumeResetOffset(reset), kgo.FetchIsolationLevel(isolation))
	return reader{made, topic, options.Partition}, err
}

func (r reader) Read(ctx context.Context) ([]matrix.Record, error) { return poll(ctx, r.kgo) }

func (r reader) SeekTo(offset int64) error {
	r.kgo.SetOffsets(map[string]map[int32]kgo.EpochOffset{r.topic: {r.partition: {Epoch: -1, Offset: offset}}})
	return nil
}

func (r reader) Close() { r.kgo.Close() }

func poll(ctx context.Context, from *kgo.Client) ([]matrix.Record, error) {
	fetches := from.PollFetches(ctx)
	for _, failed := range fetches.Errors() {
		return nil, failed.Err
	}
	var records []matrix.Record
	fetches.EachRecord(func(record *kgo.Record) {
		one := matrix.Record{
			Key: record.Key, Value: record.Value, Timestamp: record.Timestamp.UnixMilli(),
			Partition: record.Partition, Offset: record.Offset,
			Codec: codecNames[record.Attrs.CompressionType()],
		}
		for _, header := range record.Headers {
			one.Headers = append(one.Headers, matrix.Header{Name: header.Key, Value: header.Value})
		}
		records = append(records, one)
	})
	return records, nil
}

type member struct {
	*matrix.Feed
	kgo   *kgo.Client
	topic string
	stop  context.CancelFunc
}

func (c *client) Member(group, topic string, options matrix.MemberOptions) (matrix.Member, error) {
	feed := matrix.NewFeed()
	balancer := kgo.RangeBalancer()
	if options.Cooperative {
		balancer = kgo.CooperativeStickyBalancer()
	}
	gave := func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { feed.Gave(lost[topic]) }
	settings := []kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(balancer), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(100 * time.Millisecond), kgo.SessionTimeout(10 * time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, taken map[string][]int32) {
			feed.Took(taken[topic])
		}),
		kgo.OnPartitionsRevoked(gave), kgo.OnPartitionsLost(gave),
	}
	if options.InstanceID != "" {
		settings = append(settings, kgo.InstanceID(options.InstanceID))
	}
	made, err := connect(c.bootstrap, settings...)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		for ctx.Err() == nil {
			records, err := poll(ctx, made)
			if err != nil && ctx.Err() == nil {
				feed.Fail(err)
			}
			feed.Give(records)
		}
	}()
	return &member{feed, made, topic, stop}, nil
}

func (m *member) Commit(ctx context.Context, offsets map[int32]int64) error {
	wanted := map[int32]kgo.EpochOffset{}
	for partition, offset := range offsets {
		wanted[partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	var failed error
	m.kgo.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{m.topic: wanted},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			failed = err
			for _, topic := range answer.Topics {
				for _, partition := range topic.Partitions {
					failed = errors.Join(failed, kerr.ErrorForCode(partition.ErrorCode))
				}
			}
		})
	return failed
}

func (m *member) Close() {
	m.stop()
	m.kgo.Close()
}
