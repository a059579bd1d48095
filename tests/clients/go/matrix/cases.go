package matrix

import (
	"slices"
	"time"
)

var cases = map[string]func(*T){
	"metadata":          metadata,
	"topics":            topics,
	"records":           records,
	"codec-gzip":        func(t *T) { codec(t, "gzip") },
	"codec-snappy":      func(t *T) { codec(t, "snappy") },
	"codec-lz4":         func(t *T) { codec(t, "lz4") },
	"codec-zstd":        func(t *T) { codec(t, "zstd") },
	"idempotent":        idempotent,
	"group-resume":      groupResume,
	"group-rebalance":   groupRebalance,
	"group-cooperative": groupCooperative,
	"group-static":      groupStatic,
	"offsets":           offsets,
	"groups-admin":      groupsAdmin,
	"configs":           configs,
	"create-partitions": createPartitions,
	"delete-records":    deleteRecords,
	"large-record":      largeRecord,
	"seek":              seek,
	"out-of-range":      outOfRange,
	"read-committed":    readCommitted,
	"unknown-topic":     unknownTopic,
	"cluster":           cluster,
	"long-poll":         longPoll,
	"acks":              acks,
}

func records(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := Varied(1000)
	answered := t.Produce(topic, sent, ProduceOptions{Acks: -1})
	t.Equal("offset of the first record", answered[0], 0)
	t.Equal("offset of the last record", answered[999], 999)
	t.SameRecords(t.ReadAll(topic, ReadOptions{Start: Earliest}, 1000), sent, 0)
}

func codec(t *T, name string) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := append(Varied(200), Plain(topic, 200)...)
	t.Produce(topic, sent, ProduceOptions{Acks: -1, Codec: name})
	got := t.ReadAll(topic, ReadOptions{Start: Earliest}, 400)
	t.SameRecords(got, sent, 0)
	if stored := got[300].Codec; stored != "" {
		t.Seen("stored as", stored)
		t.Equal("codec of the stored batch", stored, name)
	}
}

// idempotent sends to a topic for which every fourth answer is lost on the way.
func idempotent(t *T) {
	topic := t.Topic("-flaky")
	t.Create(topic, 1, nil)
	sent := Plain(topic, 500)
	producer, err := t.Client.Producer(ProduceOptions{Acks: -1, Idempotent: true})
	t.Check(err, "make a producer")
	defer producer.Close()
	for next := 0; next < len(sent); next += 10 {
		_, err := producer.Produce(t.Ctx, topic, sent[next:next+10])
		t.Check(err, "produce")
	}
	t.SameRecords(t.ReadAll(topic, ReadOptions{Start: Earliest}, 500), sent, 0)
	end, err := t.Client.Offset(t.Ctx, topic, 0, Latest)
	t.Check(err, "the end's offset")
	t.Equal("end", end, 500)
}

func offsets(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := t.Fill(topic, 100)
	for name, wanted := range map[string][2]int64{
		"earliest": {Earliest, 0}, "latest": {Latest, 100},
		"at the first": {sent[0].Timestamp, 0}, "inside a batch": {sent[41].Timestamp, 41},
		"between two": {sent[41].Timestamp + 1, 42}, "before all": {sent[0].Timestamp - 5000, 0},
		"after all": {sent[99].Timestamp + 1, -1},
	} {
		offset, err := t.Client.Offset(t.Ctx, topic, 0, wanted[0])
		t.Check(err, "offset "+name)
		t.Seen(name, offset)
		t.Equal(name, offset, wanted[1])
	}
	_, err := t.Client.Offset(t.Ctx, t.Topic("-none"), 0, Latest)
	t.Refused("unknown topic", err, "UNKNOWN_TOPIC_OR_PARTITION")
}

func largeRecord(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	producer, err := t.Client.Producer(ProduceOptions{Acks: -1, MaxBytes: 8 << 20})
	t.Check(err, "make a producer")
	defer producer.Close()
	large := func(size int) []Record {
		value := make([]byte, size)
		for i := range value {
			value[i] = byte(i * 7)
		}
		return []Record{{Key: []byte("large"), Value: value, Timestamp: firstTime}}
	}
	sent := large(900 << 10)
	_, err = producer.Produce(t.Ctx, topic, sent)
	t.Check(err, "produce 900 KiB")
	_, err = producer.Produce(t.Ctx, topic, large(2<<20))
	t.Refused("too large", err, "MESSAGE_TOO_LARGE")
	after := Plain(topic, 1)
	offsets, err := producer.Produce(t.Ctx, topic, after)
	t.Check(err, "produce afterwards")
	t.Seen("offset afterwards", offsets[0])
	t.SameRecords(t.ReadAll(topic, ReadOptions{Start: Earliest}, 2), append(sent, after...), 0)
}

func seek(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := t.Fill(topic, 100)
	reader := t.Reader(topic, ReadOptions{Start: 50})
	defer reader.Close()
	t.SameRecords(t.ReadOn(reader, 50), sent[50:], 50)
	t.Check(reader.SeekTo(10), "seek back")
	t.SameRecords(t.ReadOn(reader, 90), sent[10:], 10)
	t.Check(reader.SeekTo(99), "seek on")
	t.SameRecords(t.ReadOn(reader, 1), sent[99:], 99)
}

func outOfRange(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := t.Fill(topic, 20)
	reader := t.Reader(topic, ReadOptions{Start: 1000, Reset: "none"})
	_, err := reader.Read(t.Ctx)
	reader.Close()
	t.Refused("without reset", err, "OFFSET_OUT_OF_RANGE")
	options := ReadOptions{Start: 1000, Reset: "earliest"}
	reader, err = t.Client.Reader(topic, options)
	if Available(err) {
		t.Check(err, "make a reader")
		t.SameRecords(t.ReadOn(reader, 20), sent, 0)
		reader.Close()
		t.Seen("with reset", "from the first")
	}
}

func readCommitted(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := t.Fill(topic, 100)
	options := ReadOptions{Start: Earliest, ReadCommitted: true}
	t.SameRecords(t.ReadAll(topic, options, 100), sent, 0)
}

// longPoll takes the middle of five tries: a busy machine may be late once.
func longPoll(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := t.Fill(topic, 1)
	producer, err := t.Client.Producer(ProduceOptions{Acks: -1})
	t.Check(err, "make a producer")
	defer producer.Close()
	reader := t.Reader(topic, ReadOptions{Start: Earliest})
	defer reader.Close()
	t.ReadOn(reader, 1)
	var late []time.Duration
	for range 5 {
		arrived := make(chan time.Time, 1)
		failed := make(chan error, 1)
		go func() {
			if _, err := reader.Read(t.Ctx); err != nil {
				failed <- err
				return
			}
			arrived <- time.Now()
		}()
		// The poll must already wait when the record comes; how long it waited is of no account.
		time.Sleep(150 * time.Millisecond)
		_, err := producer.Produce(t.Ctx, topic, sent)
		answered := time.Now()
		t.Check(err, "produce")
		select {
		case when := <-arrived:
			late = append(late, when.Sub(answered))
		case err := <-failed:
			t.Check(err, "wait for a record")
		}
	}
	slices.Sort(late)
	if late[2] > 100*time.Millisecond {
		t.Failf("answered %v after the produce", late[2])
	}
}

func acks(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := Plain(topic, 30)
	for part, level := range []int{0, 1, -1} {
		options := ProduceOptions{Acks: level}
		t.Produce(topic, sent[part*10:part*10+10], options)
		t.Until("the records are there", func() bool {
			end, err := t.Client.Offset(t.Ctx, topic, 0, Latest)
			return err == nil && end == int64(part*10+10)
		})
	}
	t.SameRecords(t.ReadAll(topic, ReadOptions{Start: Earliest}, 30), sent, 0)
}
