// Command endure is for the crash runs: `endure produce BOOTSTRAP TOPIC PARTITIONS` keeps an
// idempotent franz-go producer busy until its standard input ends, and prints how many records of
// each partition were acknowledged; `endure check BOOTSTRAP TOPIC COUNT,COUNT...` reads the topic
// and fails unless each partition holds just these, each once and in order.
//
// The value of a record is its number within its partition.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pagi/tests/clients/matrix"
)

// atOnce is how many records are sent before the next pause, and pause how long that is.
const (
	atOnce = 20
	pause  = 5 * time.Millisecond
	// patience of the last answers and of the check.
	patience = 60 * time.Second
)

type report struct {
	Client       string   `json:"client"`
	Acknowledged []int64  `json:"acknowledged"`
	Errors       []string `json:"errors"`
}

func main() {
	if len(os.Args) != 5 {
		fail(errors.New("usage: endure produce|check BOOTSTRAP TOPIC PARTITIONS|COUNTS"))
	}
	if os.Args[1] == "check" {
		if err := check(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fail(err)
		}
		return
	}
	partitions, err := strconv.Atoi(os.Args[4])
	if err != nil {
		fail(err)
	}
	made, err := produce(os.Args[2], os.Args[3], partitions)
	if err != nil {
		fail(err)
	}
	_ = json.NewEncoder(os.Stdout).Encode(made)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "endure:", err)
	os.Exit(1)
}

func produce(bootstrap, topic string, partitions int) (report, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return report{}, err
	}
	defer client.Close()
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	made := report{Client: "franz-go " + matrix.Version("github.com/twmb/franz-go"), Acknowledged: make([]int64, partitions), Errors: []string{}}
	var lock sync.Mutex
	answered := func(record *kgo.Record, err error) {
		lock.Lock()
		defer lock.Unlock()
		switch {
		case err != nil:
			made.Errors = append(made.Errors, err.Error())
		case string(record.Value) != strconv.FormatInt(record.Offset, 10):
			made.Errors = append(made.Errors, fmt.Sprintf("record %s was acknowledged at offset %d", record.Value, record.Offset))
		default:
			made.Acknowledged[record.Partition]++
		}
	}
	for number := 0; ; number++ {
		for partition := range partitions {
			value := strconv.AppendInt(nil, int64(number), 10)
			record := &kgo.Record{Topic: topic, Partition: int32(partition), Value: value}
			client.Produce(context.Background(), record, answered)
		}
		if number%atOnce != 0 {
			continue
		}
		select {
		case <-ended:
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			err := client.Flush(ctx)
			lock.Lock()
			defer lock.Unlock()
			return made, err
		case <-time.After(pause):
		}
	}
}

func check(bootstrap, topic, counts string) error {
	var wanted []int64
	starts := map[int32]kgo.Offset{}
	for partition, count := range strings.Split(counts, ",") {
		number, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			return err
		}
		wanted = append(wanted, number)
		starts[int32(partition)] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	next := make([]int64, len(wanted))
	for !reached(next, wanted) {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read up to %v of %v: %w", next, wanted, err)
		}
		for _, record := range fetches.Records() {
			if string(record.Value) != strconv.FormatInt(next[record.Partition], 10) {
				return fmt.Errorf("partition %d: offset %d holds record %s, not %d",
					record.Partition, record.Offset, record.Value, next[record.Partition])
			}
			next[record.Partition]++
		}
	}
	for partition, count := range next {
		if count != wanted[partition] {
			return fmt.Errorf("partition %d holds %d records, %d were acknowledged", partition, count, wanted[partition])
		}
	}
	return nil
}

func reached(next, wanted []int64) bool {
	for partition := range next {
		if next[partition] < wanted[partition] {
			return false
		}
	}
	return true
}
