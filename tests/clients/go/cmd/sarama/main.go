// IBM/sarama for the clients matrix.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"

	"pagi/tests/clients/matrix"
)

type client struct {
	bootstrap string
	plain     sarama.Client
	admin     sarama.ClusterAdmin
}

func main() {
	matrix.ErrorNumber = func(err error) (int16, bool) {
		var code sarama.KError
		if errors.As(err, &code) {
			return int16(code), true
		}
		return 0, false
	}
	matrix.Main("sarama "+matrix.Version("github.com/IBM/sarama"), func(bootstrap string) (matrix.Client, error) {
		plain, err := sarama.NewClient([]string{bootstrap}, settings())
		if err != nil {
			return nil, err
		}
		admin, err := sarama.NewClusterAdminFromClient(plain)
		return &client{bootstrap, plain, admin}, err
	})
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = matrix.ClientID
	config.Version = sarama.MaxVersion
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Retry.Backoff = 50 * time.Millisecond
	config.Producer.Retry.Max = 10
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Return.Errors = true
	config.Consumer.MaxWaitTime = time.Second
	config.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	return config
}

// Close leaves the connections to the end of the process.
func (c *client) Close() {}

type producer struct{ sync sarama.SyncProducer }

var codecs = map[string]sarama.CompressionCodec{
	"": sarama.CompressionNone, "none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func (c *client) Producer(options matrix.ProduceOptions) (matrix.Producer, error) {
	config := settings()
	config.Producer.Compression = codecs[options.Codec]
	config.Producer.RequiredAcks = sarama.RequiredAcks(options.Acks)
	// A batch of many records, so that offsets by time look into one.
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	if options.MaxBytes > 0 {
		config.Producer.MaxMessageBytes = options.MaxBytes
	}
	if options.Idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	made, err := sarama.NewSyncProducer([]string{c.bootstrap}, config)
	return producer{made}, err
}

func (p producer) Produce(_ context.Context, topic string, records []matrix.Record) ([]int64, error) {
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, record := range records {
		message := &sarama.ProducerMessage{
			Topic: topic, Partition: record.Partition, Timestamp: time.UnixMilli(record.Timestamp),
		}
		if record.Key != nil {
			message.Key = sarama.ByteEncoder(record.Key)
		}
		if record.Value != nil {
			message.Value = sarama.ByteEncoder(record.Value)
		}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		messages[i] = message
	}
	err := p.sync.SendMessages(messages)
	var several sarama.ProducerErrors
	if errors.As(err, &several) {
		err = several[0].Err
	}
	offsets := make([]int64, len(messages))
	for i, message := range messages {
		offsets[i] = message.Offset
	}
	return offsets, err
}

func (p producer) Close() { _ = p.sync.Close() }

type reader struct {
	consumer  sarama.Consumer
	topic     string
	partition int32
	reading   sarama.PartitionConsumer
}

func (c *client) Reader(topic string, options matrix.ReadOptions) (matrix.Reader, error) {
	if options.Reset == "earliest" || options.Reset == "latest" {
		return nil, matrix.NotAvailable("a PartitionConsumer does not reset itself")
	}
	config := settings()
	if options.ReadCommitted {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	made, err := sarama.NewConsumer([]string{c.bootstrap}, config)
	if err != nil {
		return nil, err
	}
	one := &reader{consumer: made, topic: topic, partition: options.Partition}
	return &lazy{one, one.SeekTo(options.Start)}, nil
}

// lazy tells the error of its beginning at the first read.
type lazy struct {
	*reader
	failed error
}

func (l *lazy) Read(ctx context.Context) ([]matrix.Record, error) {
	if l.failed != nil {
		return nil, l.failed
	}
	return l.reader.Read(ctx)
}

func (r *reader) Read(ctx context.Context) ([]matrix.Record, error) {
	select {
	case message := <-r.reading.Messages():
		return []matrix.Record{consumed(message)}, nil
	case failed := <-r.reading.Errors():
		return nil, failed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// SeekTo begins anew: sarama has no seek.
func (r *reader) SeekTo(offset int64) error {
	if r.reading != nil {
		_ = r.reading.Close()
	}
	reading, err := r.consumer.ConsumePartition(r.topic, r.partition, offset)
	r.reading = reading
	return err
}

func (r *reader) Close() {
	if r.reading != nil {
		r.reading.AsyncClose()
	}
}

func consumed(message *sarama.ConsumerMessage) matrix.Record {
	record := matrix.Record{
		Key: message.Key, Value: message.Value, Timestamp: message.Timestamp.UnixMilli(),
		Partition: message.Partition, Offset: message.Offset,
	}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, matrix.Header{Name: string(header.Key), Value: header.Value})
	}
	return record
}
