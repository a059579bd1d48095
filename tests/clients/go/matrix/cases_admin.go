package matrix

import (
	"os"
	"slices"
)

func metadata(t *T) {
	topic := t.Topic("")
	t.Create(topic, 3, nil)
	found, err := t.Client.DescribeTopic(t.Ctx, topic)
	t.Check(err, "describe")
	t.Equal("partitions", found.Partitions, 3)
	t.Equal("partitions with leader and replicas", found.Led, 3)
	brokers, err := t.Client.Brokers(t.Ctx)
	t.Check(err, "brokers")
	t.Seen("brokers", len(brokers))
	t.Equal("advertised address", brokers, []string{os.Args[1]})
}

func cluster(t *T) {
	seen, err := t.Client.Cluster(t.Ctx)
	t.Check(err, "describe the cluster")
	t.Equal("advertised address", seen.Addresses, []string{os.Args[1]})
	if seen.ID == "" {
		t.Failf("the cluster has no id")
	}
	if !seen.Controlled {
		t.Failf("the controller is none of the brokers")
	}
	again, err := t.Client.Cluster(t.Ctx)
	t.Check(err, "describe the cluster again")
	t.Equal("the cluster's id", again.ID, seen.ID)
}

func topics(t *T) {
	topic := t.Topic("")
	t.Create(topic, 2, nil)
	names, err := t.Client.ListTopics(t.Ctx)
	t.Check(err, "list")
	t.Equal("is listed", slices.Contains(names, topic), true)
	create := func(name string, partitions, replicas int, configs map[string]string) error {
		return t.Client.CreateTopic(t.Ctx, name, partitions, replicas, configs)
	}
	t.Refused("again", create(topic, 2, 1, nil), "TOPIC_ALREADY_EXISTS")
	t.Refused("bad name", create(t.Topic("-bad name!"), 1, 1, nil), "INVALID_TOPIC_EXCEPTION")
	t.Refused("no partition", create(t.Topic("-zero"), 0, 1, nil), "INVALID_PARTITIONS")
	t.Refused("three replicas", create(t.Topic("-three"), 1, 3, nil), "INVALID_REPLICATION_FACTOR")
	t.Refused("bad setting", create(t.Topic("-config"), 1, 1, map[string]string{"retention.ms": "soon"}), "INVALID_CONFIG")
	t.Check(t.Client.DeleteTopic(t.Ctx, topic), "delete")
	t.Until("the topic is gone", func() bool {
		names, err := t.Client.ListTopics(t.Ctx)
		return err == nil && !slices.Contains(names, topic)
	})
	t.Refused("delete again", t.Client.DeleteTopic(t.Ctx, topic), "UNKNOWN_TOPIC_OR_PARTITION")
	t.Create(topic, 1, nil)
	end, err := t.Client.Offset(t.Ctx, topic, 0, Latest)
	t.Check(err, "offset of the topic made anew")
	t.Equal("end of the topic made anew", end, 0)
}

func unknownTopic(t *T) {
	_, err := t.Client.DescribeTopic(t.Ctx, t.Topic("-none"))
	t.Refused("describe", err, "UNKNOWN_TOPIC_OR_PARTITION")
	_, err = t.Client.DescribeTopic(t.Ctx, t.Topic("-bad name!"))
	// A client that answers from what it knows of the cluster does not ask for such a name.
	t.Refused("describe a bad name", err, "INVALID_TOPIC_EXCEPTION", "UNKNOWN_TOPIC_OR_PARTITION")
	t.Refused("delete", t.Client.DeleteTopic(t.Ctx, t.Topic("-none")), "UNKNOWN_TOPIC_OR_PARTITION")
	names, err := t.Client.ListTopics(t.Ctx)
	t.Check(err, "list")
	t.Equal("was made by asking", slices.Contains(names, t.Topic("-none")), false)
}

func createPartitions(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	t.Check(t.Client.CreatePartitions(t.Ctx, topic, 4), "create partitions")
	t.Until("four partitions", func() bool {
		found, err := t.Client.DescribeTopic(t.Ctx, topic)
		return err == nil && found.Led == 4
	})
	t.Refused("fewer", t.Client.CreatePartitions(t.Ctx, topic, 2), "INVALID_PARTITIONS")
	t.Refused("as many", t.Client.CreatePartitions(t.Ctx, topic, 4), "INVALID_PARTITIONS")
	t.Refused("unknown topic", t.Client.CreatePartitions(t.Ctx, t.Topic("-none"), 4), "UNKNOWN_TOPIC_OR_PARTITION")
	sent := Plain(topic, 5)
	for i := range sent {
		sent[i].Partition = 3
	}
	t.Produce(topic, sent, ProduceOptions{Acks: -1})
	t.SameRecords(t.ReadAll(topic, ReadOptions{Partition: 3, Start: Earliest}, 5), sent, 0)
}

func deleteRecords(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, nil)
	sent := t.Fill(topic, 100)
	low, err := t.Client.DeleteRecords(t.Ctx, topic, 0, 40)
	t.Check(err, "delete records")
	t.Seen("low watermark", low)
	first, err := t.Client.Offset(t.Ctx, topic, 0, Earliest)
	t.Check(err, "first offset")
	t.Equal("first offset", first, 40)
	t.SameRecords(t.ReadAll(topic, ReadOptions{Start: Earliest}, 60), sent[40:], 40)
	_, err = t.Client.DeleteRecords(t.Ctx, topic, 0, 101)
	t.Refused("beyond the end", err, "OFFSET_OUT_OF_RANGE")
	_, err = t.Client.DeleteRecords(t.Ctx, topic, 7, 1)
	t.Refused("unknown partition", err, "UNKNOWN_TOPIC_OR_PARTITION")
	low, err = t.Client.DeleteRecords(t.Ctx, topic, 0, -1)
	t.Check(err, "delete all records")
	t.Seen("low watermark of all", low)
	first, err = t.Client.Offset(t.Ctx, topic, 0, Earliest)
	t.Check(err, "first offset")
	t.Equal("first offset after all", first, 100)
}

// honoured are the settings of a topic that every broker here lists.
var honoured = []string{
	"retention.ms", "retention.bytes", "segment.bytes", "segment.ms", "max.message.bytes",
	"message.timestamp.type", "cleanup.policy", "compression.type", "min.insync.replicas",
}

func configs(t *T) {
	topic := t.Topic("")
	t.Create(topic, 1, map[string]string{"segment.bytes": "2097152"})
	now := func() map[string]Config {
		found, err := t.Client.TopicConfigs(t.Ctx, topic)
		t.Check(err, "describe configs")
		return found
	}
	before := now()
	for _, name := range honoured {
		t.Seen(name, before[name].Value+" "+before[name].Source)
	}
	t.Equal("segment.bytes", before["segment.bytes"].Value, "2097152")
	value := func(text string) *string { return &text }
	set := func(name string, value *string) error { return t.Client.SetConfig(t.Ctx, topic, name, value) }
	err := set("retention.ms", value("120000"))
	if Available(err) {
		t.Check(err, "set retention.ms")
		t.Until("retention.ms is set", func() bool { return now()["retention.ms"].Value == "120000" })
		t.Equal("segment.bytes is kept", now()["segment.bytes"].Value, "2097152")
		t.Seen("source when set", now()["retention.ms"].Source)
	}
	t.Refused("invalid number", set("retention.ms", value("soon")), "INVALID_CONFIG")
	t.Refused("out of range", set("max.message.bytes", value("-5")), "INVALID_CONFIG")
	t.Refused("invalid choice", set("message.timestamp.type", value("Never")), "INVALID_CONFIG")
	t.Refused("invalid policy", set("cleanup.policy", value("shred")), "INVALID_CONFIG")
	t.Refused("unknown setting", set("no.such.setting", value("1")), "INVALID_CONFIG")
	if err := set("retention.ms", nil); Available(err) {
		t.Check(err, "unset retention.ms")
		t.Until("retention.ms is its default", func() bool {
			return now()["retention.ms"].Value == before["retention.ms"].Value
		})
	}
	replaceConfigs(t, topic, now)
	_, err = t.Client.TopicConfigs(t.Ctx, t.Topic("-none"))
	t.Refused("unknown topic", err, "UNKNOWN_TOPIC_OR_PARTITION")
}

// replaceConfigs goes by AlterConfigs, which forgets what it does not name.
func replaceConfigs(t *T, topic string, now func() map[string]Config) {
	replace := func(configs map[string]string) error { return t.Client.ReplaceConfigs(t.Ctx, topic, configs) }
	err := replace(map[string]string{"retention.bytes": "1000000"})
	if !Available(err) {
		return
	}
	t.Check(err, "replace all settings")
	t.Until("retention.bytes is set", func() bool { return now()["retention.bytes"].Value == "1000000" })
	t.Seen("segment.bytes replaced", now()["segment.bytes"].Value)
	t.Refused("replace by an invalid number", replace(map[string]string{"segment.ms": "x"}), "INVALID_CONFIG")
	t.Equal("kept when refused", now()["retention.bytes"].Value, "1000000")
}
