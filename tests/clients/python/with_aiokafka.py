"""aiokafka: the client for asyncio. Its loop runs in a thread of its own."""

import asyncio
import contextlib
import threading

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import BrokerResponseError, CommitFailedError, KafkaTimeoutError

import cases
import codes
import protocol
from protocol import PATIENCE_S, Metadata, NotAvailable, Received, Refused

LOOP = asyncio.new_event_loop()


def wait(coroutine):
    """Runs it on the loop; turns the library's errors for a broker's codes into ours."""
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(PATIENCE_S)
    except BrokerResponseError as error:
        raise Refused(codes.name(error.errno)) from error
    except (CommitFailedError, KafkaTimeoutError) as error:
        # The broker's code is not in it.
        raise Refused(type(error).__name__) from error


def refuse(code):
    if code:
        raise Refused(codes.name(code))


class Client:
    version = f"aiokafka {aiokafka.__version__}"
    has_timestamps = True
    deletes_groups = False

    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        threading.Thread(target=LOOP.run_forever, daemon=True).start()
        self.admin = wait(started(lambda: AIOKafkaAdminClient(bootstrap_servers=bootstrap)))

    # Topics

    def create_topic(self, topic, partitions=1, replicas=1, config=None):
        new = NewTopic(topic, partitions, replicas, topic_configs=config or {})
        refuse(wait(self.admin.create_topics([new])).topic_errors[0][1])

    def delete_topic(self, topic):
        refuse(wait(self.admin.delete_topics([topic])).topic_error_codes[0][1])

    def topics(self):
        return set(wait(self.admin.list_topics()))

    def metadata(self, topic):
        [found] = wait(self.admin.describe_topics([topic]))
        refuse(found["error_code"])
        partitions = {
            p["partition"]: (p["leader"], p["replicas"], p["isr"]) for p in found["partitions"]
        }
        return Metadata(self.cluster()[0], partitions)

    def create_partitions(self, topic, total):
        wait(self.admin.create_partitions({topic: NewPartitions(total)}))

    def describe_config(self, topic):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        [answer] = wait(self.admin.describe_configs([resource]))
        [(code, _, _, _, entries)] = answer.resources
        refuse(code)
        return {entry[0]: entry[1] for entry in entries}

    def alter_config(self, topic, changes):
        """The whole set is replaced: what is not named goes back to its default."""
        configs = {name: value for name, value in changes.items() if value is not None}
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs)
        refuse(wait(self.admin.alter_configs([resource]))[0].resources[0][0])

    def delete_records(self, topic, partition, before):
        wanted = TopicPartition(topic, partition)
        return wait(self.admin.delete_records({wanted: RecordsToDelete(before)}))[wanted]

    def cluster(self):
        answer = wait(self.admin.describe_cluster())
        nodes = {b["node_id"]: f"{b['host']}:{b['port']}" for b in answer["brokers"]}
        return nodes, answer["controller_id"], bool(answer["cluster_id"])

    # Offsets and groups

    def offset(self, topic, partition, at):
        wanted = TopicPartition(topic, partition)
        with contextlib.closing(Consumer(self.bootstrap, None, timeout_ms=3000)) as consumer:
            consumer.assign(topic, partition, 0)
            if at == "earliest":
                return wait(consumer.consumer.beginning_offsets([wanted]))[wanted]
            if at == "latest":
                return wait(consumer.consumer.end_offsets([wanted]))[wanted]
            found = wait(consumer.consumer.offsets_for_times({wanted: at}))[wanted]
            return found.offset if found else -1

    def committed(self, group, topic, partition):
        wanted = TopicPartition(topic, partition)
        answer = wait(self.admin.list_consumer_group_offsets(group, partitions=[wanted]))
        offset = answer[wanted].offset
        return None if offset < 0 else offset

    def groups(self):
        return {group[0] for group in wait(self.admin.list_consumer_groups())}

    def group(self, group):
        [answer] = wait(self.admin.describe_consumer_groups([group]))
        code, _, state, _, _, members, *_ = answer.groups[0]
        refuse(code)
        return state, len(members)

    # Records

    def producer(self, acks="all", codec=None, idempotent=False, record_bytes_max=1_000_000):
        return Producer(self.bootstrap, acks, codec, idempotent, record_bytes_max)

    def consumer(self, group=None, **options):
        return Consumer(self.bootstrap, group, **options)


async def started(make):
    """Makes a thing on the loop, and starts it there."""
    thing = make()
    try:
        await thing.start()
    except BaseException:
        close = getattr(thing, "stop", None) or thing.close
        await close()
        raise
    return thing


class Producer:
    def __init__(self, bootstrap, acks, codec, idempotent, record_bytes_max):
        self.producer = wait(
            started(
                lambda: AIOKafkaProducer(
                    bootstrap_servers=bootstrap,
                    acks=acks,
                    compression_type=codec,
                    enable_idempotence=idempotent,
                    max_request_size=record_bytes_max,
                    linger_ms=20,
                    retry_backoff_ms=20,
                )
            )
        )

    def send(self, topic, records, partition=0):
        return wait(self.send_all(topic, records, partition))

    async def send_all(self, topic, records, partition):
        sent = [
            await self.producer.send(
                topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                partition=partition,
                timestamp_ms=record.timestamp,
            )
            for record in records
        ]
        answers = await asyncio.gather(*sent)
        return [answer and answer.offset for answer in answers]

    def close(self):
        wait(self.producer.stop())


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
        timeout_ms=40000,
    ):
        if assignor != "range":
            raise NotAvailable("aiokafka has no cooperative assignor")
        self.consumer = wait(
            started(
                lambda: AIOKafkaConsumer(
                    bootstrap_servers=bootstrap,
                    group_id=group,
                    group_instance_id=instance,
                    enable_auto_commit=False,
                    auto_offset_reset=reset,
                    partition_assignment_strategy=[RangePartitionAssignor],
                    isolation_level="read_committed" if committed_only else "read_uncommitted",
                    fetch_max_wait_ms=wait_ms,
                    heartbeat_interval_ms=300,
                    session_timeout_ms=10000,
                    request_timeout_ms=timeout_ms,
                )
            )
        )

    def subscribe(self, topic):
        async def subscribe():
            self.consumer.subscribe([topic])

        wait(subscribe())

    def assign(self, topic, partition, offset):
        async def assign():
            self.consumer.assign([TopicPartition(topic, partition)])

        wait(assign())
        self.seek(topic, partition, offset)

    def poll(self, seconds):
        polled = wait(self.consumer.getmany(timeout_ms=int(seconds * 1000)))
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
            wait(self.consumer.seek_to_beginning(wanted))
        elif offset == "latest":
            wait(self.consumer.seek_to_end(wanted))
        else:
            LOOP.call_soon_threadsafe(self.consumer.seek, wanted, offset)

    def assignment(self):
        return {partition.partition for partition in self.consumer.assignment()}

    def commit(self, topic, partition, offset):
        wait(self.consumer.commit({TopicPartition(topic, partition): offset}))

    def close(self):
        wait(self.consumer.stop())


if __name__ == "__main__":
    protocol.main(Client, cases.CASES)
