// segmentio/kafka-go for the clients matrix.
package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"pagi/tests/clients/matrix"
)

const (
	// longestWait of a fetch.
	longestWait = time.Second
	// patience with an answer, on a machine that has much else to do.
	patience = 30 * time.Second
)

type client struct {
	bootstrap string
	plain     *kafka.Client
}

func main() {
	matrix.EmptyAsNull = true
	matrix.ErrorNumber = func(err error) (int16, bool) {
		var code kafka.Error
		if errors.As(err, &code) {
			return int16(code), true
		}
		return 0, false
	}
	matrix.Main("kafka-go "+matrix.Version("github.com/segmentio/kafka-go"), func(bootstrap string) (matrix.Client, error) {
		plain := &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: patience, Transport: transport()}
		return &client{bootstrap, plain}, nil
	})
}

// transport of its own for each user: one that waits for a fetch holds nobody else up.
func transport() *kafka.Transport {
	return &kafka.Transport{ClientID: matrix.ClientID, MetadataTTL: 100 * time.Millisecond}
}

func dialer() *kafka.Dialer {
	return &kafka.Dialer{ClientID: matrix.ClientID, Timeout: 10 * time.Second}
}

// Close leaves the connections to the end of the process.
func (c *client) Close() {}

type producer struct {
	settings kafka.Writer
}

var codecs = map[string]kafka.Compression{
	"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

// place is where a record belongs, and which it is.
type place struct{ partition, index int }

func (c *client) Producer(options matrix.ProduceOptions) (matrix.Producer, error) {
	if options.Idempotent {
		return nil, matrix.NotAvailable("kafka-go has no idempotent producer")
	}
	made := &producer{kafka.Writer{
		Addr: kafka.TCP(c.bootstrap), Transport: transport(), BatchTimeout: 5 * time.Millisecond, BatchSize: 1000,
		RequiredAcks: kafka.RequiredAcks(options.Acks), Compression: codecs[options.Codec],
		Balancer: kafka.BalancerFunc(func(message kafka.Message, _ ...int) int {
			where, _ := message.WriterData.(place)
			return where.partition
		}),
	}}
	if options.MaxBytes > 0 {
		made.settings.BatchBytes = int64(options.MaxBytes)
	}
	return made, nil
}

// Produce with a Writer of its own, for the offsets come through what belongs to the Writer.
func (p *producer) Produce(ctx context.Context, topic string, records []matrix.Record) ([]int64, error) {
	messages := make([]kafka.Message, len(records))
	for i, record := range records {
		messages[i] = kafka.Message{
			Key: record.Key, Value: record.Value, Time: time.UnixMilli(record.Timestamp),
			WriterData: place{int(record.Partition), i},
		}
		for _, header := range record.Headers {
			messages[i].Headers = append(messages[i].Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
	}
	offsets := make([]int64, len(records))
	var lock sync.Mutex
	writer := &kafka.Writer{
		Addr: p.settings.Addr, Transport: p.settings.Transport, BatchTimeout: p.settings.BatchTimeout,
		BatchSize: p.settings.BatchSize, BatchBytes: p.settings.BatchBytes, RequiredAcks: p.settings.RequiredAcks,
		Compression: p.settings.Compression, Balancer: p.settings.Balancer, Topic: topic,
		ReadTimeout: patience, WriteTimeout: patience,
		Completion: func(done []kafka.Message, err error) {
			lock.Lock()
			defer lock.Unlock()
			for _, message := range done {
				if where, known := message.WriterData.(place); known && err == nil {
					offsets[where.index] = message.Offset
				}
			}
		},
	}
	err := writer.WriteMessages(ctx, messages...)
	var several kafka.WriteErrors
	if errors.As(err, &several) {
		err = errors.Join(several...)
	}
	return offsets, errors.Join(err, writer.Close())
}

func (p *producer) Close() {}

type reader struct{ kafka *kafka.Reader }

func (c *client) Reader(topic string, options matrix.ReadOptions) (matrix.Reader, error) {
	if options.Reset == "earliest" || options.Reset == "latest" {
		return nil, matrix.NotAvailable("a Reader beyond the end waits for records to come")
	}
	config := kafka.ReaderConfig{
		Brokers: []string{c.bootstrap}, Topic: topic, Partition: int(options.Partition), Dialer: dialer(),
		MaxWait: longestWait, MinBytes: 1, MaxBytes: 16 << 20, ReadBackoffMin: 10 * time.Millisecond,
		OffsetOutOfRangeError: options.Reset == "none", ReadLagInterval: -1,
	}
	if options.ReadCommitted {
		config.IsolationLevel = kafka.ReadCommitted
	}
	made := reader{kafka.NewReader(config)}
	return made, made.SeekTo(options.Start)
}

func (r reader) Read(ctx context.Context) ([]matrix.Record, error) {
	message, err := r.kafka.ReadMessage(ctx)
	if err != nil {
		return nil, err
	}
	return []matrix.Record{consumed(message)}, nil
}

func (r reader) SeekTo(offset int64) error { return r.kafka.SetOffset(offset) }

func (r reader) Close() { go func() { _ = r.kafka.Close() }() }

func consumed(message kafka.Message) matrix.Record {
	record := matrix.Record{
		Key: message.Key, Value: message.Value, Timestamp: message.Time.UnixMilli(),
		Partition: int32(message.Partition), Offset: message.Offset,
	}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, matrix.Header{Name: header.Key, Value: header.Value})
	}
	return record
}
