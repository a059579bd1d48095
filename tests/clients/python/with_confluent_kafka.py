"""confluent-kafka: librdkafka as Python programs use it."""

import confluent_kafka
from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

import cases
import codes
import protocol
from protocol import PATIENCE_S, Metadata, Received, Refused

def refused(error):
    """The broker's code, or librdkafka's own name for what it refuses itself."""
    own = error.code() < -1
    return Refused(error.name() if own else codes.name(error.code()))


class Client:
    librdkafka, _ = confluent_kafka.libversion()
    version = f"confluent-kafka {confluent_kafka.__version__} (librdkafka {librdkafka})"
    has_timestamps = True
    deletes_groups = True

    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    # Topics

    def create_topic(self, topic, partitions=1, replicas=1, config=None):
        new = NewTopic(topic, partitions, replicas, config=config or {})
        outcome(self.admin.create_topics([new])[topic])

    def delete_topic(self, topic):
        outcome(self.admin.delete_topics([topic])[topic])

    def topics(self):
        return set(self.admin.list_topics(timeout=PATIENCE_S).topics)

    def metadata(self, topic):
        answer = self.admin.list_topics(topic, timeout=PATIENCE_S)
        found = answer.topics[topic]
        if found.error:
            raise refused(found.error)
        brokers = {broker.id: f"{broker.host}:{broker.port}" for broker in answer.brokers.values()}
        partitions = {p.id: (p.leader, p.replicas, p.isrs) for p in found.partitions.values()}
        return Metadata(brokers, partitions)

    def create_partitions(self, topic, total):
        outcome(self.admin.create_partitions([NewPartitions(topic, total)])[topic])

    def describe_config(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = outcome(self.admin.describe_configs([resource])[resource])
        return {name: entry.value for name, entry in entries.items()}

    def alter_config(self, topic, changes):
        """`None` takes a setting back to its default."""
        entries = [
            ConfigEntry(
                name,
                value,
                incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
            )
            for name, value in changes.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        outcome(self.admin.incremental_alter_configs([resource])[resource])

    def delete_records(self, topic, partition, before):
        wanted = TopicPartition(topic, partition, before)
        return outcome(self.admin.delete_records([wanted])[wanted]).low_watermark

    def cluster(self):
        """Nodes, the controller's id, and whether the cluster has a name."""
        answer = outcome(self.admin.describe_cluster())
        nodes = {node.id: f"{node.host}:{node.port}" for node in answer.nodes}
        return nodes, answer.controller.id, bool(answer.cluster_id)

    # Offsets and groups

    def offset(self, topic, partition, at):
        """Of "earliest", "latest", or the first record from a timestamp on; -1 if there is none."""
        spec = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest()}.get(at)
        spec = spec or OffsetSpec.for_timestamp(at)
        wanted = TopicPartition(topic, partition)
        return outcome(self.admin.list_offsets({wanted: spec})[wanted]).offset

    def committed(self, group, topic, partition):
        """None without a committed offset."""
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition)])
        answer = outcome(self.admin.list_consumer_group_offsets([wanted])[group])
        offset = answer.topic_partitions[0].offset
        return None if offset < 0 else offset

    def groups(self):
        return {group.group_id for group in outcome(self.admin.list_consumer_groups()).valid}

    def group(self, group):
        """Its state and how many members it has."""
        answer = outcome(self.admin.describe_consumer_groups([group])[group])
        names = {
            ConsumerGroupState.EMPTY: "Empty",
            ConsumerGroupState.STABLE: "Stable",
            ConsumerGroupState.DEAD: "Dead",
        }
        return names.get(answer.state, str(answer.state)), len(answer.members)

    def delete_group(self, group):
        outcome(self.admin.delete_consumer_groups([group])[group])

    # Records

    def producer(self, acks="all", codec=None, idempotent=False, record_bytes_max=None):
        return Producer(self.bootstrap, acks, codec, idempotent, record_bytes_max)

    def consumer(self, group=None, **options):
        return Consumer(self.bootstrap, group or f"{self.prefix}none", **options)


def outcome(future):
    try:
        return future.result(PATIENCE_S)
    except KafkaException as error:
        raise refused(error.args[0]) from error


class Producer:
    def __init__(self, bootstrap, acks, codec, idempotent, record_bytes_max):
        settings = {
            "bootstrap.servers": bootstrap,
            "acks": acks,
            "enable.idempotence": idempotent,
            "linger.ms": 20,
            "retry.backoff.ms": 20,
            "reconnect.backoff.ms": 20,
        }
        if codec:
            settings["compression.type"] = codec
        if record_bytes_max:
            settings["message.max.bytes"] = record_bytes_max
        self.producer = confluent_kafka.Producer(settings)

    def send(self, topic, records, partition=0):
        """Sends them together; gives the offset of each once all are acknowledged."""
        offsets = [None] * len(records)
        errors = []

        def delivered(at):
            def report(error, message):
                if error:
                    errors.append(error)
                else:
                    offsets[at] = message.offset()

            return report

        for at, record in enumerate(records):
            self.producer.produce(
                topic,
                record.value,
                record.key,
                partition,
                headers=list(record.headers),
                timestamp=record.timestamp or 0,
                on_delivery=delivered(at),
            )
            self.producer.poll(0)
        left = self.producer.flush(PATIENCE_S)
        if errors:
            raise refused(errors[0])
        protocol.check("records without an answer", left, 0)
        return offsets

    def close(self):
        self.producer.flush(PATIENCE_S)


class Consumer:
    def __init__(
        self,
        bootstrap,
        group,
        reset="earliest",
        assignor="range",
        instance=None,
        committed_only=False,
        wait_ms=500,
    ):
        settings = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error" if reset == "none" else reset,
            "partition.assignment.strategy": assignor,
            "isolation.level": "read_committed" if committed_only else "read_uncommitted",
            "fetch.wait.max.ms": wait_ms,
            "heartbeat.interval.ms": 300,
            "session.timeout.ms": 10000,
            "allow.auto.create.topics": False,
        }
        if instance:
            settings["group.instance.id"] = instance
        self.consumer = confluent_kafka.Consumer(settings)

    def subscribe(self, topic):
        self.consumer.subscribe([topic])

    def assign(self, topic, partition, offset):
        """At an offset, "earliest" or "latest"."""
        self.consumer.assign([TopicPartition(topic, partition, position(offset))])

    def poll(self, seconds):
        """What has come; waits for so long for the first."""
        received = []
        first = self.consumer.poll(seconds)
        for message in [first, *self.consumer.consume(500, 0)] if first else []:
            if message.error():
                raise refused(message.error())
            received.append(
                Received(
                    message.partition(),
                    message.offset(),
                    message.key(),
                    message.value(),
                    tuple(message.headers() or ()),
                    message.timestamp()[1],
                )
            )
        return received

    def seek(self, topic, partition, offset):
        self.consumer.seek(TopicPartition(topic, partition, position(offset)))

    def assignment(self):
        return {partition.partition for partition in self.consumer.assignment()}

    def commit(self, topic, partition, offset):
        wanted = TopicPartition(topic, partition, offset)
        try:
            answer = self.consumer.commit(offsets=[wanted], asynchronous=False)
        except KafkaException as error:
            raise refused(error.args[0]) from error
        if answer[0].error:
            raise refused(answer[0].error)

    def close(self):
        self.consumer.close()


def position(offset):
    names = {
        "earliest": confluent_kafka.OFFSET_BEGINNING,
        "latest": confluent_kafka.OFFSET_END,
    }
    return names.get(offset, offset)


if __name__ == "__main__":
    protocol.main(Client, cases.CASES)
