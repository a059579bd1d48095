package matrix

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"slices"
	"time"
)

// firstTime is the timestamp of a case's first record: late enough for every broker's retention,
// early enough for none of the records to lie in the future.
var firstTime = time.Now().Add(-30 * time.Minute).UnixMilli()

// Varied makes records with everything that a record can hold: no key, an empty and no value,
// headers that repeat, bytes that are no text.
func Varied(count int) []Record {
	random := rand.New(rand.NewSource(4))
	records := make([]Record, count)
	for i := range records {
		value := make([]byte, 1+random.Intn(200))
		random.Read(value)
		record := Record{Key: fmt.Appendf(nil, "key-%d", i), Value: value, Timestamp: firstTime + int64(i)*10}
		switch i % 7 {
		case 1:
			record.Key = nil
		case 2:
			record.Value = nil
		case 3:
			record.Value = []byte{}
		case 4:
			record.Headers = []Header{{"same", []byte("1")}, {"other", []byte{0, 255}}, {"same", []byte("2")}}
		case 5:
			record.Headers = []Header{{"none", nil}, {"empty", []byte{}}, {"ünï", []byte("ö")}}
		}
		records[i] = record
	}
	return records
}

// Plain makes records with text values that compress well.
func Plain(name string, count int) []Record {
	records := make([]Record, count)
	for i := range records {
		value := fmt.Appendf(nil, "%s-%06d %s", name, i, bytes.Repeat([]byte("abc "), 20))
		records[i] = Record{Key: fmt.Appendf(nil, "%d", i), Value: value, Timestamp: firstTime + int64(i)*1000}
	}
	return records
}

// SameRecords ends the case unless the records were consumed as they were produced, at offsets
// that follow each other from first on.
func (t *T) SameRecords(got, wanted []Record, first int64) {
	t.Equal("number of records", len(got), len(wanted))
	for i := range wanted {
		a, b := got[i], wanted[i]
		t.Equal(fmt.Sprintf("offset of record %d", i), a.Offset, first+int64(i))
		if !same(a.Key, b.Key) || !same(a.Value, b.Value) {
			t.Failf("record %d: key %q value %q, wanted %q and %q", i, a.Key, a.Value, b.Key, b.Value)
		}
		if !slices.EqualFunc(a.Headers, b.Headers, func(x, y Header) bool {
			return x.Name == y.Name && same(x.Value, y.Value)
		}) {
			t.Failf("record %d: headers %v, wanted %v", i, a.Headers, b.Headers)
		}
		if b.Timestamp != 0 {
			t.Equal(fmt.Sprintf("timestamp of record %d", i), a.Timestamp, b.Timestamp)
		}
	}
}

// EmptyAsNull is set for a client whose consumer shows an empty value as null.
var EmptyAsNull bool

// same also tells null from empty, where the client does.
func same(a, b []byte) bool {
	return bytes.Equal(a, b) && (EmptyAsNull && len(b) == 0 || (a == nil) == (b == nil))
}

// Create makes a topic, and waits until the client can see it.
func (t *T) Create(name string, partitions int, configs map[string]string) {
	t.Check(t.Client.CreateTopic(t.Ctx, name, partitions, 1, configs), "create "+name)
	t.Until("described: "+name, func() bool {
		topic, err := t.Client.DescribeTopic(t.Ctx, name)
		return err == nil && topic.Led == partitions
	})
}

// Produce sends with a producer of its own.
func (t *T) Produce(topic string, records []Record, options ProduceOptions) []int64 {
	producer, err := t.Client.Producer(options)
	t.Check(err, "make a producer")
	defer producer.Close()
	offsets, err := producer.Produce(t.Ctx, topic, records)
	t.Check(err, "produce")
	return offsets
}

// Fill sends plain records with acks of all.
func (t *T) Fill(topic string, count int) []Record {
	records := Plain(topic, count)
	t.Produce(topic, records, ProduceOptions{Acks: -1})
	return records
}

// Reader for one partition.
func (t *T) Reader(topic string, options ReadOptions) Reader {
	reader, err := t.Client.Reader(topic, options)
	t.Check(err, "make a reader")
	return reader
}

// ReadAll reads so many records with a reader of its own.
func (t *T) ReadAll(topic string, options ReadOptions, count int) []Record {
	reader := t.Reader(topic, options)
	defer reader.Close()
	return t.ReadOn(reader, count)
}

// ReadOn reads at least so many records.
func (t *T) ReadOn(reader interface {
	Read(ctx context.Context) ([]Record, error)
}, count int) []Record {
	var records []Record
	for len(records) < count {
		some, err := reader.Read(t.Ctx)
		t.Check(err, fmt.Sprintf("read on after %d of %d records", len(records), count))
		records = append(records, some...)
	}
	return records
}
