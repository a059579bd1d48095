package main

import (
	"context"
	"fmt"
	"math"
	"math/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// produce keeps so many records in flight for each client until the time is over.
func produce(given settings) (outcome, error) {
	options, err := producing(given)
	if err != nil {
		return outcome{}, err
	}
	clients := make([]*kgo.Client, given.clients)
	for i := range clients {
		if clients[i], err = connect(given, options...); err != nil {
			return outcome{}, err
		}
		defer clients[i].Close()
	}
	if err := create(clients[0], given); err != nil {
		return outcome{}, err
	}
	from := time.Now().Add(time.Duration(given.warmUp * float64(time.Second)))
	load := &producerLoad{given: given, from: from, until: from.Add(time.Duration(given.seconds * float64(time.Second)))}
	var running sync.WaitGroup
	for i, client := range clients {
		running.Add(1)
		go func() {
			defer running.Done()
			load.run(client, int64(i))
		}()
	}
	running.Wait()
	if failed := load.failed.Load(); failed != nil {
		return outcome{}, *failed
	}
	p50, p99 := load.times.percentile(50), load.times.percentile(99)
	records := load.times.total()
	return outcome{records, records * int64(given.recordBytes), given.seconds, &p50, &p99}, nil
}

func producing(given settings) ([]kgo.Opt, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	codec, known := codecs[given.codec]
	if !known {
		return nil, fmt.Errorf("no such compression: %s", given.codec)
	}
	acks, known := map[int]kgo.Acks{-1: kgo.AllISRAcks(), 1: kgo.LeaderAck(), 0: kgo.NoAck()}[given.acks]
	if !known {
		return nil, fmt.Errorf("no such acks: %d", given.acks)
	}
	options := []kgo.Opt{
		kgo.DefaultProduceTopic(given.topic), kgo.RequiredAcks(acks), kgo.ProducerLinger(given.linger),
		kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(int32(given.batchBytes)),
		kgo.MaxBufferedRecords(given.inFlight + 1),
	}
	if given.partitioner == "round-robin" {
		options = append(options, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	}
	if !given.idempotent || given.acks != -1 {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	return options, nil
}

type producerLoad struct {
	given       settings
	from, until time.Time
	times       latencies
	failed      atomic.Pointer[error]
}

func (l *producerLoad) run(client *kgo.Client, seed int64) {
	value := make([]byte, l.given.recordBytes)
	random := rand.New(rand.NewSource(seed))
	for i := range value {
		value[i] = byte('a' + random.Intn(26))
	}
	slots := make(chan struct{}, l.given.inFlight)
	for time.Now().Before(l.until) && l.failed.Load() == nil {
		slots <- struct{}{}
		begin := time.Now()
		client.Produce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			<-slots
			end := time.Now()
			if err != nil {
				l.failed.CompareAndSwap(nil, &err)
			} else if end.After(l.from) && end.Before(l.until) {
				l.times.add(end.Sub(begin))
			}
		})
	}
	_ = client.Flush(context.Background())
}

// bucketsPerDouble of the histogram: 2 % wide.
const bucketsPerDouble = 35

// latencies is a histogram with logarithmic buckets, from one microsecond on.
type latencies struct {
	counts [32 * bucketsPerDouble]atomic.Int64
}

func (l *latencies) add(took time.Duration) {
	micros := math.Max(1, float64(took.Nanoseconds())/1000)
	bucket := min(int(math.Log2(micros)*bucketsPerDouble), len(l.counts)-1)
	l.counts[bucket].Add(1)
}

func (l *latencies) total() int64 {
	var all int64
	for i := range l.counts {
		all += l.counts[i].Load()
	}
	return all
}

// percentile in milliseconds.
func (l *latencies) percentile(wanted float64) float64 {
	left := int64(math.Ceil(float64(l.total()) * wanted / 100))
	for i := range l.counts {
		left -= l.counts[i].Load()
		if left <= 0 {
			return math.Round(math.Exp2((float64(i)+0.5)/bucketsPerDouble)) / 1000
		}
	}
	return 0
}
