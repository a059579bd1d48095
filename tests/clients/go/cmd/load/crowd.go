package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// readersPartitions of one reader that is in no group.
	readersPartitions = 5
	// producedPerSecond, whoever reads it.
	producedPerSecond = 2_000
	// startsAtOnce, so that a broker's listen queue holds them.
	startsAtOnce   = 50
	setUpPatience  = 2 * time.Minute
	drainPatience  = 20 * time.Second
	stampBytes     = 8
	tickPerSecond  = 100
	heartbeatEvery = 3 * time.Second
)

// crowd holds many mostly idle clients: consumer groups of one member each, and readers of a few
// partitions. It prints how many connections there are when all are there; then, for each number of
// seconds on stdin, it produces at a steady rate for so long and prints what all consumers together
// received: records, and how long after they were produced.
func crowd(given settings) error {
	crowd := &consumers{given: given, assigned: make(chan struct{}, given.groups)}
	defer crowd.close()
	producer, err := crowd.connect(kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	for i := range given.topics {
		one := given
		one.topic = crowd.topic(i)
		if err := create(producer, one); err != nil {
			return err
		}
	}
	if err := crowd.start(); err != nil {
		return err
	}
	told := json.NewEncoder(os.Stdout)
	if err := told.Encode(map[string]int64{"connections": crowd.connections.Load()}); err != nil {
		return err
	}
	seconds := bufio.NewScanner(os.Stdin)
	for seconds.Scan() {
		howLong, err := strconv.ParseFloat(seconds.Text(), 64)
		if err != nil {
			return err
		}
		result, err := crowd.measure(producer, time.Duration(howLong*float64(time.Second)))
		if err != nil {
			return err
		}
		if err := told.Encode(result); err != nil {
			return err
		}
	}
	return seconds.Err()
}

type consumers struct {
	given       settings
	connections atomic.Int64
	lock        sync.Mutex
	clients     []*kgo.Client
	assigned    chan struct{}
	failed      atomic.Pointer[error]
	// times of the round that runs now, and what groups received in it.
	times   atomic.Pointer[latencies]
	toGroup atomic.Int64
}

func (c *consumers) topic(number int) string {
	return fmt.Sprintf("%s-%d", c.given.topic, number)
}

func (c *consumers) connect(options ...kgo.Opt) (*kgo.Client, error) {
	client, err := connect(c.given, append(options, kgo.Dialer(c.dial))...)
	if err != nil {
		return nil, err
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.clients = append(c.clients, client)
	return client, nil
}

type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

func (c *consumers) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.connections.Add(1)
	return &counted{Conn: conn, open: &c.connections}, nil
}

// start all of them, and wait until each group has its partitions and each reader reads.
func (c *consumers) start() error {
	reading := make(chan struct{}, c.given.clients)
	atOnce := make(chan struct{}, startsAtOnce)
	for i := range c.given.groups {
		atOnce <- struct{}{}
		client, err := c.connect(
			kgo.ConsumerGroup(fmt.Sprintf("%s-group-%d", c.given.topic, i)),
			kgo.ConsumeTopics(c.topic(i%c.given.topics)),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.HeartbeatInterval(heartbeatEvery),
			kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) {
				<-atOnce
				c.assigned <- struct{}{}
			}))
		if err != nil {
			return err
		}
		go c.receive(client, &c.toGroup)
	}
	for i := range c.given.clients {
		offsets := map[int32]kgo.Offset{}
		for n := range readersPartitions {
			offsets[int32((i*readersPartitions+n)%c.given.partitions)] = kgo.NewOffset().AtEnd()
		}
		client, err := c.connect(kgo.ConsumePartitions(
			map[string]map[int32]kgo.Offset{c.topic(i % c.given.topics): offsets}))
		if err != nil {
			return err
		}
		atOnce <- struct{}{}
		go func() {
			defer func() { <-atOnce }()
			if err := client.Ping(context.Background()); err != nil {
				c.failed.CompareAndSwap(nil, &err)
			}
			reading <- struct{}{}
		}()
		go c.receive(client, new(atomic.Int64))
	}
	late := time.After(setUpPatience)
	for range c.given.groups {
		if err := c.wait(c.assigned, late); err != nil {
			return fmt.Errorf("groups: %w", err)
		}
	}
	for range c.given.clients {
		if err := c.wait(reading, late); err != nil {
			return fmt.Errorf("readers: %w", err)
		}
	}
	return nil
}

func (c *consumers) wait(event <-chan struct{}, late <-chan time.Time) error {
	select {
	case <-event:
		return c.failure()
	case <-late:
		return errors.New("not all are there in time")
	}
}

func (c *consumers) failure() error {
	if failed := c.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

func (c *consumers) receive(client *kgo.Client, count *atomic.Int64) {
	for {
		fetches := client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		if err := fetches.Err(); err != nil {
			c.failed.CompareAndSwap(nil, &err)
			return
		}
		now := time.Now().UnixNano()
		times := c.times.Load()
		fetches.EachRecord(func(record *kgo.Record) {
			if times != nil && len(record.Value) >= stampBytes {
				times.add(time.Duration(now - int64(binary.BigEndian.Uint64(record.Value))))
				count.Add(1)
			}
		})
	}
}

// measure one round. Every group must receive all that was produced to its topic in it.
func (c *consumers) measure(producer *kgo.Client, howLong time.Duration) (outcome, error) {
	times := new(latencies)
	c.times.Store(times)
	c.toGroup.Store(0)
	var wanted int64
	readers := make([]int64, c.given.topics)
	for i := range c.given.groups {
		readers[i%c.given.topics]++
	}
	ticks := time.NewTicker(time.Second / tickPerSecond)
	defer ticks.Stop()
	begin := time.Now()
	for produced := 0; time.Since(begin) < howLong && c.failure() == nil; {
		<-ticks.C
		for due := int(time.Since(begin).Seconds() * producedPerSecond); produced < due; produced++ {
			topic := rand.Intn(c.given.topics)
			wanted += readers[topic]
			c.produce(producer, topic)
		}
	}
	if err := producer.Flush(context.Background()); err != nil {
		return outcome{}, err
	}
	for late := time.Now().Add(drainPatience); c.toGroup.Load() < wanted && c.failure() == nil; {
		if time.Now().After(late) {
			return outcome{}, fmt.Errorf("groups received %d of %d records", c.toGroup.Load(), wanted)
		}
		time.Sleep(time.Millisecond)
	}
	p50, p99, records := times.percentile(50), times.percentile(99), times.total()
	return outcome{records, records * int64(c.given.recordBytes), howLong.Seconds(), &p50, &p99}, c.failure()
}

func (c *consumers) produce(producer *kgo.Client, topic int) {
	value := make([]byte, max(c.given.recordBytes, stampBytes))
	binary.BigEndian.PutUint64(value, uint64(time.Now().UnixNano()))
	record := &kgo.Record{Topic: c.topic(topic), Value: value}
	producer.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
		if err != nil {
			c.failed.CompareAndSwap(nil, &err)
		}
	})
}

func (c *consumers) close() {
	c.lock.Lock()
	defer c.lock.Unlock()
	var closing sync.WaitGroup
	for _, client := range c.clients {
		closing.Add(1)
		go func() {
			defer closing.Done()
			client.Close()
		}()
	}
	closing.Wait()
}
