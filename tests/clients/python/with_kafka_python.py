"""kafka-python: no librdkafka underneath."""

import contextlib
import re

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import BrokerResponseError
from kafka.protocol.consumer import OffsetSpec
from kafka.structs import OffsetAndMetadata

import cases
import codes
import protocol
from protocol import PATIENCE_S, Metadata, Received, Refused

JOIN_S = 1


@contextlib.contextmanager
def refusals():
    """Turns the library's errors for a broker's codes into ours."""
    try:
        yield
    except BrokerResponseError as error:
        raise Refused(codes.name(error.errno)) from error


def refuse(code):
    if code:
        raise Refused(codes.name(code))


class Client:
    version = f"kafka-python {kafka.__version__}"
    has_timestamps = True
    deletes_groups = True

    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)

    # Topics

    def create_topic(self, topic, partitions=1, replicas=1, config=None):
        new = {"num_partitions": partitions, "replication_factor": replicas, "configs": config or {}}
        with refusals():
            self.admin.create_topics({topic: new})

    def delete_topic(self, topic):
        with refusals():
            self.admin.delete_topics([topic])

    def topics(self):
        return set(self.admin.list_topics())

    def metadata(self, topic):
        [found] = self.admin.describe_topics([topic])
        refuse(found["error_code"])
        partitions = {
            p["partition_index"]: (p["leader_id"], p["replica_nodes"], p["isr_nodes"])
            for p in found["partitions"]
        }
        return Metadata(self.cluster()[0], partitions)

    def create_partitions(self, topic, total):
        with refusals():
            self.admin.create_partitions({topic: total})

    def describe_config(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        with refusals():
            answer = self.admin.describe_configs([resource], config_filter="all")
        return {name: entry["value"] for name, entry in answer["topic"][topic].items()}

    def alter_config(self, topic, changes):
        changed = {name: value for name, value in changes.items() if value is not None}
        reset = {name: None for name, value in changes.items() if value is None}
        for action, configs in ((self.admin.alter_configs, changed), (self.admin.reset_configs, reset)):
            if configs:
                resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs)
                answer = action([resource], raise_on_unknown=False)
                code = re.search(r"\[Error (\d+)\]", answer["topic"][topic])
                refuse(code and int(code[1]))

    def delete_records(self, topic, partition, before):
        wanted = TopicPartition(topic, partition)
        with refusals():
            return self.admin.delete_records({wanted: before})[wanted]["low_watermark"]

    def cluster(self):
        answer = self.admin.describe_cluster()
        nodes = {b["broker_id"]: f"{b['host']}:{b['port']}" for b in answer["brokers"]}
        return nodes, answer["controller_id"], bool(answer["cluster_id"])

    # Offsets and groups

    def offset(self, topic, partition, at):
        spec = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST}.get(at, at)
        wanted = TopicPartition(topic, partition)
        with refusals():
            return self.admin.list_partition_offsets({wanted: spec})[wanted].offset

    def committed(self, group, topic, partition):
        wanted = TopicPartition(topic, partition)
        with refusals():
            offset = self.admin.list_group_offsets({group: [wanted]})[group][wanted].offset
        return None if offset < 0 else offset

    def groups(self):
        return {group["group_id"] for group in self.admin.list_groups()}

    def group(self, group):
        found = self.admin.describe_groups([group])[group]
        code = re.search(r"\[Error (\d+)\]", found["error"] or "")
        refuse(code and int(code[1]))
        return found["group_state"], len(found["members"])

    def delete_group(self, group):
        answer = self.admin.delete_groups([group])[group]
        if answer != "OK":
            refuse(getattr(kafka.errors, answer).errno)

    # Records

    def producer(self, acks="all", codec=None, idempotent=False, record_bytes_max=1_000_000):
        return Producer(self.bootstrap, acks, codec, idempotent, record_bytes_max)

    def consumer(self, group=None, **options):
        return Consumer(self.bootstrap, group, **options)


class Producer:
    def __init__(self, bootstrap, acks, codec, idempotent, record_bytes_max):
        self.producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks=acks,
            compression_type=codec,
            enable_idempotence=idempotent,
            max_request_size=record_bytes_max,
            linger_ms=20,
            retry_backoff_ms=20,
            reconnect_backoff_ms=20,
        )

    def send(self, topic, records, partition=0):
        sent = [
            self.producer.send(
                topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                partition=partition,
                timestamp_ms=record.timestamp,
            )
            for record in records
        ]
        self.producer.flush(PATIENCE_S)
        with refusals():
            return [future.get(PATIENCE_S).offset for future in sent]

    def close(self):
        self.producer.close(PATIENCE_S)


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
        assignors = {"range": RangePartitionAssignor, "cooperative-sticky": CooperativeStickyAssignor}
        self.consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            group_instance_id=instance,
            enable_auto_commit=False,
            auto_offset_reset=reset,
            partition_assignment_strategy=[assignors[assignor]],
            isolation_level="read_committed" if committed_only else "read_uncommitted",
            fetch_max_wait_ms=wait_ms,
            heartbeat_interval_ms=300,
            session_timeout_ms=10000,
            allow_auto_create_topics=False,
            # It may join before it knows the topic; this is when it looks again.
            metadata_max_age_ms=1000,
        )

    def subscribe(self, topic):
        # A member that leads its group without knowing the topic assigns nothing to anybody.
        self.consumer.partitions_for_topic(topic)
        self.consumer.subscribe([topic])

    def assign(self, topic, partition, offset):
        self.consumer.assign([TopicPartition(topic, partition)])
        self.seek(topic, partition, offset)

    def poll(self, seconds):
        # A poll that ends while the group rebalances may leave the member waiting for ever.
        seconds = max(seconds, JOIN_S) if self.consumer.subscription() else seconds
        with refusals():
            polled = self.consumer.poll(timeout_ms=int(seconds * 1000))
        return [
            Received(
                record.partition,
                record.offset,
                record.key,
                record.value,
                tuple(record.headers),
                record.timestamp,
            )
            for records in polled.values()
            for record in records
        ]

    def seek(self, topic, partition, offset):
        wanted = TopicPartition(topic, partition)
        if offset == "earliest":
            self.consumer.seek_to_beginning(wanted)
        elif offset == "latest":
            self.consumer.seek_to_end(wanted)
        else:
            self.consumer.seek(wanted, offset)

    def assignment(self):
        return {partition.partition for partition in self.consumer.assignment()}

    def commit(self, topic, partition, offset):
        with refusals():
            self.consumer.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)})

    def close(self):
        self.consumer.close()


if __name__ == "__main__":
    protocol.main(Client, cases.CASES)
