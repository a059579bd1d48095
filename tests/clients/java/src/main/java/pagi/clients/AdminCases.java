package pagi.clients;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;

/** Topics, settings, partitions, offsets and the cluster, by the admin. */
final class AdminCases {
    /** Settings of a topic that every broker here lists. */
    private static final List<String> HONOURED = List.of("retention.ms", "retention.bytes", "segment.bytes",
        "segment.ms", "max.message.bytes", "message.timestamp.type", "cleanup.policy", "compression.type",
        "min.insync.replicas");

    private AdminCases() {}

    static void addTo(Runner runner) {
        runner.add("metadata", AdminCases::metadata);
        runner.add("topics", AdminCases::topics);
        runner.add("unknown-topic", AdminCases::unknownTopic);
        runner.add("create-partitions", AdminCases::createPartitions);
        runner.add("delete-records", AdminCases::deleteRecords);
        runner.add("offsets", AdminCases::offsets);
        runner.add("configs", AdminCases::configs);
        runner.add("cluster", AdminCases::cluster);
    }

    private static String address(Node node) {
        return node.host() + ":" + node.port();
    }

    private static void metadata(Case run) throws Exception {
        String topic = run.topic("");
        run.create(topic, 3, Map.of());
        KafkaConsumer<byte[], byte[]> consumer = Records.consumer(run, Map.of());
        run.equal("partitions", consumer.partitionsFor(topic).size(), 3);
        run.holds("is listed", consumer.listTopics().containsKey(topic));
        TopicDescription described = run.described(topic);
        run.equal("partitions as described", described.partitions().size(), 3);
        run.holds("has a topic id", !described.topicId().equals(Uuid.ZERO_UUID));
        Node leader = described.partitions().get(0).leader();
        run.equal("the leader's address", address(leader), run.bootstrap);
        run.holds("the leader has an id", leader.id() >= 0);
    }

    private static Object create(Admin admin, NewTopic topic) throws Exception {
        return Case.get(admin.createTopics(List.of(topic)).all());
    }

    private static void topics(Case run) throws Exception {
        Admin admin = run.admin();
        String name = run.topic("");
        NewTopic topic = new NewTopic(name, 2, (short) 1).configs(Map.of("retention.ms", "86400000"));
        CreateTopicsResult created = admin.createTopics(List.of(topic));
        run.equal("partitions as created", Case.get(created.numPartitions(name)), 2);
        run.equal("replicas as created", Case.get(created.replicationFactor(name)), 1);
        run.equal("setting as created", Case.get(created.config(name)).get("retention.ms").value(), "86400000");
        Uuid id = Case.get(created.topicId(name));
        run.until("described", () -> Case.get(admin.listTopics().names()).contains(name));
        run.equal("the id", run.described(name).topicId(), id);
        TopicDescription byId =
            Case.get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id);
        run.equal("name by id", byId.name(), name);
        run.refused("again", "TOPIC_ALREADY_EXISTS", () -> create(admin, topic));
        run.refused("bad name", "INVALID_TOPIC_EXCEPTION",
            () -> create(admin, new NewTopic(run.topic("-bad name!"), 1, (short) 1)));
        run.refused("no partition", "INVALID_PARTITIONS",
            () -> create(admin, new NewTopic(run.topic("-zero"), 0, (short) 1)));
        run.refused("three replicas", "INVALID_REPLICATION_FACTOR",
            () -> create(admin, new NewTopic(run.topic("-three"), 1, (short) 3)));
        run.refused("bad setting", "INVALID_CONFIG", () -> create(admin,
            new NewTopic(run.topic("-config"), 1, (short) 1).configs(Map.of("retention.ms", "soon"))));
        String defaults = run.topic("-defaults");
        CreateTopicsResult byDefault =
            admin.createTopics(List.of(new NewTopic(defaults, Optional.empty(), Optional.empty())));
        run.saw("partitions by default", Case.get(byDefault.numPartitions(defaults)));
        Case.get(admin.deleteTopics(List.of(defaults)).all());
        Case.get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
        run.until("gone", () -> !Case.get(admin.listTopics().names()).contains(name));
        run.refused("delete again", "UNKNOWN_TOPIC_OR_PARTITION",
            () -> Case.get(admin.deleteTopics(List.of(name)).all()));
        run.refused("delete the id again", "UNKNOWN_TOPIC_ID",
            () -> Case.get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all()));
        run.create(name, 1, Map.of());
        run.holds("another id when made anew", !run.described(name).topicId().equals(id));
    }

    private static void unknownTopic(Case run) throws Exception {
        Admin admin = run.admin();
        String none = run.topic("-none");
        run.refused("describe", "UNKNOWN_TOPIC_OR_PARTITION", () -> run.described(none));
        run.refused("describe a bad name", "INVALID_TOPIC_EXCEPTION", () -> run.described(run.topic("-bad name!")));
        run.refused("describe an id", "UNKNOWN_TOPIC_ID", () -> {
            Uuid id = new Uuid(77, 4);
            return Case.get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds());
        });
        run.refused("delete", "UNKNOWN_TOPIC_OR_PARTITION", () -> Case.get(admin.deleteTopics(List.of(none)).all()));
        run.holds("was not made by asking", !Case.get(admin.listTopics().names()).contains(none));
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(none, Records.bytes("made by producing"));
        Records.send(Records.producer(run, Map.of()), List.of(record));
        run.saw("partitions when made by producing", run.described(none).partitions().size());
    }

    private static void createPartitions(Case run) throws Exception {
        String topic = run.topic("");
        run.create(topic, 1, Map.of());
        Case.get(run.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all());
        run.until("four partitions", () -> run.described(topic).partitions().size() == 4);
        run.refused("fewer", "INVALID_PARTITIONS", () -> increase(run, topic, 2));
        run.refused("as many", "INVALID_PARTITIONS", () -> increase(run, topic, 4));
        run.refused("unknown topic", "UNKNOWN_TOPIC_OR_PARTITION", () -> increase(run, run.topic("-none"), 4));
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : Records.plain(topic, 5, 1)) {
            sent.add(new ProducerRecord<>(topic, 3, record.timestamp(), record.key(), record.value()));
        }
        Records.send(Records.producer(run, Map.of()), sent);
        KafkaConsumer<byte[], byte[]> consumer = Records.reader(run, new TopicPartition(topic, 3), Map.of());
        Records.same(run, Records.read(consumer, 5), sent, 0);
    }

    private static Object increase(Case run, String topic, int total) throws Exception {
        return Case.get(run.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(total))).all());
    }

    private static long deleteBefore(Case run, TopicPartition place, long offset) throws Exception {
        return Case.get(run.admin().deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(offset)))
            .lowWatermarks().get(place)).lowWatermark();
    }

    private static void deleteRecords(Case run) throws Exception {
        TopicPartition place = new TopicPartition(run.topic(""), 0);
        run.create(place.topic(), 1, Map.of());
        List<ProducerRecord<byte[], byte[]>> sent = Records.fill(run, place.topic(), 100);
        run.saw("low watermark", deleteBefore(run, place, 40));
        KafkaConsumer<byte[], byte[]> consumer = Records.reader(run, place, Map.of());
        run.equal("first offset", consumer.beginningOffsets(List.of(place)).get(place), 40L);
        Records.same(run, Records.read(consumer, 60), sent.subList(40, 100), 40);
        run.refused("beyond the end", "OFFSET_OUT_OF_RANGE", () -> deleteBefore(run, place, 101));
        run.saw("low watermark when deleted before", deleteBefore(run, place, 10));
        run.saw("low watermark of all", deleteBefore(run, place, -1));
        run.equal("first offset after all", consumer.beginningOffsets(List.of(place)).get(place), 100L);
    }

    private static long offset(Case run, TopicPartition place, OffsetSpec spec) throws Exception {
        return Case.get(run.admin().listOffsets(Map.of(place, spec)).partitionResult(place)).offset();
    }

    private static void offsets(Case run) throws Exception {
        TopicPartition place = new TopicPartition(run.topic(""), 0);
        run.create(place.topic(), 1, Map.of());
        run.equal("latest timestamp of nothing", offset(run, place, OffsetSpec.maxTimestamp()), -1L);
        List<ProducerRecord<byte[], byte[]>> sent = Records.fill(run, place.topic(), 100);
        long middle = sent.get(41).timestamp();
        run.equal("earliest", offset(run, place, OffsetSpec.earliest()), 0L);
        run.equal("latest", offset(run, place, OffsetSpec.latest()), 100L);
        run.equal("latest timestamp", offset(run, place, OffsetSpec.maxTimestamp()), 99L);
        run.equal("inside a batch", offset(run, place, OffsetSpec.forTimestamp(middle)), 41L);
        run.equal("between two", offset(run, place, OffsetSpec.forTimestamp(middle + 1)), 42L);
        run.equal("before all", offset(run, place, OffsetSpec.forTimestamp(0)), 0L);
        run.equal("after all", offset(run, place, OffsetSpec.forTimestamp(sent.get(99).timestamp() + 1)), -1L);
        KafkaConsumer<byte[], byte[]> consumer = Records.reader(run, place, Map.of());
        run.equal("beginning", consumer.beginningOffsets(List.of(place)).get(place), 0L);
        run.equal("end", consumer.endOffsets(List.of(place)).get(place), 100L);
        run.equal("for a time", consumer.offsetsForTimes(Map.of(place, middle)).get(place).offset(), 41L);
        run.equal("its time", consumer.offsetsForTimes(Map.of(place, middle - 1)).get(place).timestamp(), middle);
    }

    private static Config config(Case run, ConfigResource resource) throws Exception {
        return Case.get(run.admin().describeConfigs(List.of(resource)).all()).get(resource);
    }

    private static Object set(Case run, ConfigResource resource, String name, String value, OpType how)
        throws Exception {
        Collection<AlterConfigOp> change = List.of(new AlterConfigOp(new ConfigEntry(name, value), how));
        return Case.get(run.admin().incrementalAlterConfigs(Map.of(resource, change)).all());
    }

    private static void configs(Case run) throws Exception {
        run.create(run.topic(""), 1, Map.of("segment.bytes", "2097152"));
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, run.topic(""));
        Config before = config(run, topic);
        for (String name : HONOURED) {
            ConfigEntry entry = before.get(name);
            run.saw(name, entry.value() + " " + entry.source() + (entry.isReadOnly() ? " read only" : ""));
        }
        run.equal("segment.bytes", before.get("segment.bytes").value(), "2097152");
        set(run, topic, "retention.ms", "120000", OpType.SET);
        run.until("retention.ms is set", () -> config(run, topic).get("retention.ms").value().equals("120000"));
        run.saw("source when set", config(run, topic).get("retention.ms").source());
        run.equal("segment.bytes kept", config(run, topic).get("segment.bytes").value(), "2097152");
        for (Map.Entry<String, String> bad : Map.of("retention.ms", "soon", "max.message.bytes", "-5",
            "message.timestamp.type", "Never", "cleanup.policy", "shred", "no.such.setting", "1").entrySet()) {
            run.refused("invalid " + bad.getKey(), "INVALID_CONFIG",
                () -> set(run, topic, bad.getKey(), bad.getValue(), OpType.SET));
        }
        set(run, topic, "retention.ms", "", OpType.DELETE);
        String usual = before.get("retention.ms").value();
        run.until("retention.ms is its default", () -> config(run, topic).get("retention.ms").value().equals(usual));
        run.refused("unknown topic", "UNKNOWN_TOPIC_OR_PARTITION",
            () -> config(run, new ConfigResource(ConfigResource.Type.TOPIC, run.topic("-none"))));
        Node broker = Case.get(run.admin().describeCluster().nodes()).iterator().next();
        Config settings = config(run, new ConfigResource(ConfigResource.Type.BROKER, broker.idString()));
        run.saw("the broker lists settings", !settings.entries().isEmpty());
    }

    private static void cluster(Case run) throws Exception {
        DescribeClusterResult cluster = run.admin().describeCluster();
        Collection<Node> nodes = Case.get(cluster.nodes());
        run.equal("nodes", nodes.stream().map(AdminCases::address).toList(), List.of(run.bootstrap));
        run.holds("the controller is one of them", nodes.contains(Case.get(cluster.controller())));
        run.holds("has an id", !Case.get(cluster.clusterId()).isEmpty());
        int id = nodes.iterator().next().id();
        run.create(run.topic(""), 1, Map.of());
        Records.fill(run, run.topic(""), 10);
        TopicPartition place = new TopicPartition(run.topic(""), 0);
        boolean stored = Case.get(run.admin().describeLogDirs(Set.of(id)).allDescriptions()).get(id).values().stream()
            .anyMatch(folder -> folder.replicaInfos().containsKey(place) && folder.replicaInfos().get(place).size() > 0);
        run.holds("the topic is in a log folder", stored);
        int producers = Case.get(run.admin().describeProducers(List.of(place)).all()).get(place).activeProducers().size();
        run.saw("active producers", producers);
    }
}
