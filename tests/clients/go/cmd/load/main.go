// Command load produces or consumes as fast as a broker lets it, through franz-go, and prints one
// line of JSON: {"records","bytes","seconds","p50_ms","p99_ms"}.
//
// Bytes are those of the values. Produce latencies are from handing a record over to its
// acknowledgement; consuming has none (null). crowd holds many clients, see there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type settings struct {
	bootstrap, topic, codec, partitioner     string
	partitions, recordBytes, inFlight        int
	topics, groups                           int
	clients, acks, batchBytes, maxFetchBytes int
	seconds, warmUp                          float64
	linger                                   time.Duration
	idempotent                               bool
}

type outcome struct {
	Records int64    `json:"records"`
	Bytes   int64    `json:"bytes"`
	Seconds float64  `json:"seconds"`
	P50     *float64 `json:"p50_ms"`
	P99     *float64 `json:"p99_ms"`
}

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: load produce|consume|crowd --bootstrap HOST:PORT --topic NAME ..."))
	}
	var given settings
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&given.bootstrap, "bootstrap", "", "HOST:PORT of a broker")
	flags.StringVar(&given.topic, "topic", "", "topic; produce creates it when it is not there")
	flags.IntVar(&given.partitions, "partitions", 4, "partitions of the topic")
	flags.Float64Var(&given.seconds, "seconds", 10, "how long to measure; consume begins again at the end")
	flags.Float64Var(&given.warmUp, "warm-up-seconds", 1, "what is done before is not measured")
	flags.IntVar(&given.clients, "clients", 1, "clients, each with its own connections")
	flags.IntVar(&given.topics, "topics", 1, "crowd: topics, their names with a number behind")
	flags.IntVar(&given.groups, "groups", 1, "crowd: consumer groups of one member")
	flags.IntVar(&given.recordBytes, "record-bytes", 1000, "bytes of a value")
	flags.IntVar(&given.inFlight, "in-flight", 10_000, "records of one client that may wait for their acknowledgement")
	flags.IntVar(&given.acks, "acks", -1, "-1 (all), 1 or 0")
	flags.DurationVar(&given.linger, "linger", 5*time.Millisecond, "how long a batch waits for more records")
	flags.IntVar(&given.batchBytes, "batch-bytes", 1_000_000, "largest batch")
	flags.StringVar(&given.codec, "compression", "none", "none, gzip, snappy, lz4 or zstd")
	flags.StringVar(&given.partitioner, "partitioner", "sticky", "sticky (a batch at a time) or round-robin")
	flags.BoolVar(&given.idempotent, "idempotent", true, "as an idempotent producer (acks -1 only)")
	flags.IntVar(&given.maxFetchBytes, "fetch-bytes", 1<<20, "bytes fetched from a partition at once")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	if os.Args[1] == "crowd" {
		if err := crowd(given); err != nil {
			fail(err)
		}
		return
	}
	runs := map[string]func(settings) (outcome, error){"produce": produce, "consume": consume}
	run, known := runs[os.Args[1]]
	if !known {
		fail(fmt.Errorf("neither produce, consume nor crowd: %s", os.Args[1]))
	}
	result, err := run(given)
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

func connect(given settings, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options,
		kgo.SeedBrokers(given.bootstrap), kgo.ClientID("load"), kgo.DisableClientMetrics())...)
}

// create the topic, unless it is there.
func create(client *kgo.Client, given settings) error {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = given.topic, int32(given.partitions), 1
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(context.Background(), client)
	if err != nil {
		return err
	}
	for _, one := range answer.Topics {
		if err := kerr.ErrorForCode(one.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
	}
	return nil
}
