"""The cases, for every client that has a `Client` with the methods used here."""

import threading
import time
from contextlib import closing

from protocol import PATIENCE_S, Record, Wrong, check, refusal, until

BEYOND = 1_000_000
CODECS = ("gzip", "snappy", "lz4", "zstd")


# Helpers


def new_topic(client, name, partitions=1, config=None):
    """Creates a topic, and waits until it has leaders everywhere."""
    topic = client.prefix + name
    client.create_topic(topic, partitions, config=config)

    def led():
        if refusal(lambda: client.metadata(topic)) != "NONE":
            return False
        found = client.metadata(topic).partitions
        return len(found) == partitions and all(leader >= 0 for leader, _, _ in found.values())

    until(f"leaders for {topic}", led)
    return topic


def produce(client, topic, records, partition=0, **options):
    with closing(client.producer(**options)) as producer:
        return producer.send(topic, records, partition)


def numbered(count, value=lambda number: f"value-{number}".encode()):
    return [Record(f"key-{number}".encode(), value(number)) for number in range(count)]


def take(consumer, count, seconds=PATIENCE_S):
    """Polls until at least so many records have come."""
    received = []

    def enough():
        received.extend(consumer.poll(0.5))
        return len(received) >= count

    until(f"{count} records", enough, seconds)
    return received


def read(client, topic, count, partition=0, at="earliest", **options):
    """Exactly the records from an offset on: as many, and no more."""
    with closing(client.consumer(**options)) as consumer:
        consumer.assign(topic, partition, at)
        received = take(consumer, count)
    check("records received", len(received), count)
    return received


def check_values(received, records, first_offset=0):
    check(
        "offsets",
        [record.offset for record in received],
        list(range(first_offset, first_offset + len(records))),
    )
    for came, record in zip(received, records):
        check(f"key at {came.offset}", came.key, record.key)
        check(f"value at {came.offset}", came.value, record.value)


class Member:
    """A consumer in a group, polled by a thread of its own, which also fulfils a wish."""

    def __init__(self, client, group, topic, **options):
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.held = set()
        self.history = []
        self.received = []
        self.error = None
        self.wish = None
        self.consumer = client.consumer(group, **options)
        self.consumer.subscribe(topic)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                received = self.consumer.poll(0.1)
                if self.wish:
                    self.wish(self.consumer)
                held = self.consumer.assignment()
                with self.lock:
                    self.received.extend(received)
                    if held != self.held:
                        self.history.append(held)
                    self.held = held
        except Exception as error:
            self.error = error
        finally:
            self.consumer.close()

    def holds(self):
        with self.lock:
            return set(self.held)

    def close(self):
        """Leaves the group, unless the member is static."""
        self.stopping.set()
        self.thread.join(PATIENCE_S)
        if self.thread.is_alive():
            raise Wrong("the consumer does not close")
        if self.error:
            raise self.error


def until_shared(members, partitions, what):
    """Waits until the members hold all partitions between them, none of them twice."""

    def shared():
        failed = [member.error for member in members if member.error]
        if failed:
            raise failed[0]
        held = [member.holds() for member in members]
        even = max(map(len, held)) - min(map(len, held)) <= 1
        return even and sorted(sum(map(list, held), [])) == list(range(partitions))

    try:
        until(what, shared)
    except Wrong as wrong:
        raise Wrong(f"{wrong}; held: {[member.history for member in members]}") from wrong


# Cases


def metadata(client, seen):
    topic = new_topic(client, "metadata", partitions=3)
    found = client.metadata(topic)
    check("brokers", list(found.brokers.values()), [client.bootstrap])
    broker = next(iter(found.brokers))
    check("partitions", sorted(found.partitions), [0, 1, 2])
    for number, partition in found.partitions.items():
        check(f"leader, replicas and in sync of {number}", partition, (broker, [broker], [broker]))


def topics(client, seen):
    topic = new_topic(client, "topics", partitions=2, config={"retention.ms": "3600000"})
    check("listed", topic in client.topics(), True)
    seen["create again"] = refusal(lambda: client.create_topic(topic))
    seen["a name with a blank"] = refusal(lambda: client.create_topic(f"{topic} x"))
    seen["three replicas"] = refusal(lambda: client.create_topic(f"{topic}-3", replicas=3))
    seen["an unknown setting"] = refusal(
        lambda: client.create_topic(f"{topic}-4", config={"no.such.setting": "1"})
    )
    client.delete_topic(topic)
    until("the topic is gone", lambda: topic not in client.topics())
    seen["delete again"] = refusal(lambda: client.delete_topic(topic))
    again = new_topic(client, "topics", partitions=1)
    check("end of a topic that was created anew", client.offset(again, 0, "latest"), 0)


def all_shapes():
    """1,000 records in blocks of one shape each."""
    headers = [
        (),
        (("a", b"1"),),
        (("a", b"1"), ("b", b"\xff\xfe\x01"), ("a", b"2"), ("a", b"1")),
        (("empty", b""),),
    ]
    begin = int(time.time() * 1000) - 60_000
    records = []
    for number in range(1000):
        block = number // 125
        nothing = None if block < 4 else b""
        key = nothing if number % 7 == 0 else b"key-%d\xc3\x28" % number
        value = nothing if number % 11 == 0 and key else b"%d:" % number + bytes(range(32, 256)) * (number % 5)
        records.append(Record(key, value, headers[block % 4], begin + number * 10))
    return records


def records(client, seen):
    topic = new_topic(client, "records")
    sent = all_shapes()
    check("offsets", produce(client, topic, sent), list(range(1000)))
    received = read(client, topic, 1000)
    check_values(received, sent)
    for came, record in zip(received, sent):
        check(f"headers at {came.offset}", tuple(came.headers), record.headers)
        if client.has_timestamps:
            check(f"timestamp at {came.offset}", came.timestamp, record.timestamp)
    seen["end"] = client.offset(topic, 0, "latest")


def codec(name):
    def case(client, seen):
        topic = new_topic(client, f"codec-{name}")
        sent = numbered(300, lambda number: b"%d " % number * 50)
        produce(client, topic, sent, codec=name)
        check_values(read(client, topic, 300), sent)

    return case


def idempotent(client, seen):
    topic = new_topic(client, "flaky")
    sent = numbered(500)
    with closing(client.producer(idempotent=True)) as producer:
        for at in range(0, 500, 25):
            producer.send(topic, sent[at : at + 25])
    seen["end"] = client.offset(topic, 0, "latest")
    check("end", client.offset(topic, 0, "latest"), 500)
    check_values(read(client, topic, 500), sent)


def group_resume(client, seen):
    topic, group = new_topic(client, "resume"), client.prefix + "resume"
    sent = numbered(100)
    produce(client, topic, sent)
    with closing(client.consumer(group)) as consumer:
        consumer.subscribe(topic)
        check_values(take(consumer, 100), sent)
        consumer.commit(topic, 0, 40)
    check("committed", client.committed(group, topic, 0), 40)
    with closing(client.consumer(group)) as consumer:
        consumer.subscribe(topic)
        check_values(take(consumer, 60), sent[40:], first_offset=40)
        consumer.commit(topic, 0, 100)
    check("committed", client.committed(group, topic, 0), 100)


def group_rebalance(client, seen):
    topic, group = new_topic(client, "rebalance", partitions=4), client.prefix + "rebalance"
    with closing(Member(client, group, topic)) as stays:
        with closing(Member(client, group, topic)) as leaves:
            until_shared([stays, leaves], 4, "two members share the partitions")
            for partition in range(4):
                produce(client, topic, numbered(5), partition)
            until("all records", lambda: len(stays.received) + len(leaves.received) == 20)
            check("records of one", len(stays.received), 10)
        until_shared([stays], 4, "the other takes over")


def group_cooperative(client, seen):
    topic, group = new_topic(client, "cooperative", partitions=4), client.prefix + "cooperative"
    options = {"assignor": "cooperative-sticky"}
    with closing(Member(client, group, topic, **options)) as stays:
        until_shared([stays], 4, "the first member holds everything")
        with closing(Member(client, group, topic, **options)) as leaves:
            until_shared([stays, leaves], 4, "two members share the partitions")
            check("partitions that the first never gave up", len(set.intersection(*stays.history)), 2)
        until_shared([stays], 4, "the other takes over")


def group_static(client, seen):
    topic, group = new_topic(client, "static", partitions=4), client.prefix + "static"
    with closing(Member(client, group, topic, instance="stays")) as stays:
        leaves = Member(client, group, topic, instance="leaves")
        until_shared([stays, leaves], 4, "two members share the partitions")
        before, changes = leaves.holds(), len(stays.history)
        leaves.close()
        check("members while one is away", client.group(group)[1], 2)
        back = Member(client, group, topic, instance="leaves")
        until("it is back", back.holds)
        check("what it holds again", back.holds(), before)
        check("rebalances of the other", len(stays.history) - changes, 0)
        with closing(Member(client, group, topic, instance="leaves")) as twin:
            until("the newer one takes its place", twin.holds)
            partition = min(before)
            back.wish = lambda consumer: consumer.commit(topic, partition, 0)
            until("the older one is told", lambda: back.error)
        seen["the older of two with one name"] = refusal(back.close)


def offsets(client, seen):
    topic = new_topic(client, "offsets")
    begin = int(time.time() * 1000) - 60_000
    sent = [Record(b"k", b"%d" % number, (), begin + number * 10) for number in range(100)]
    produce(client, topic, sent)
    wanted = {
        "earliest": ("earliest", 0),
        "latest": ("latest", 100),
        "at a timestamp": (begin + 450, 45),
        "between two timestamps": (begin + 455, 46),
        "before all": (begin - 1000, 0),
        "after all": (begin + 10_000, -1),
    }
    for name, (at, offset) in wanted.items():
        seen[name] = client.offset(topic, 0, at)
        check(name, client.offset(topic, 0, at), offset)


def groups_admin(client, seen):
    topic, group = new_topic(client, "admin"), client.prefix + "admin"
    produce(client, topic, numbered(10))
    with closing(client.consumer(group)) as consumer:
        consumer.subscribe(topic)
        take(consumer, 10)
        consumer.commit(topic, 0, 7)
        check("while it is there", client.group(group), ("Stable", 1))
        if client.deletes_groups:
            seen["delete while it is there"] = refusal(lambda: client.delete_group(group))
    until("the group is empty", lambda: client.group(group) == ("Empty", 0))
    check("listed", group in client.groups(), True)
    check("committed", client.committed(group, topic, 0), 7)
    if not client.deletes_groups:
        return
    client.delete_group(group)
    check("listed after it was deleted", group in client.groups(), False)
    check("committed after it was deleted", client.committed(group, topic, 0), None)
    seen["delete again"] = refusal(lambda: client.delete_group(group))
    seen["describe after it was deleted"] = refusal(lambda: client.group(group))


SETTINGS = (
    "cleanup.policy",
    "compression.type",
    "max.message.bytes",
    "message.timestamp.type",
    "min.insync.replicas",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.ms",
)


def configs(client, seen):
    topic = new_topic(client, "configs", config={"segment.ms": "7200000"})
    before = client.describe_config(topic)
    for name in SETTINGS:
        seen[name] = before.get(name)
    check("as created", before.get("segment.ms"), "7200000")
    client.alter_config(topic, {"retention.ms": "3600000", "segment.ms": "7200000"})

    def setting(name, value):
        until(f"{name} is {value}", lambda: client.describe_config(topic).get(name) == value)

    setting("retention.ms", "3600000")
    bad = {"no number": {"retention.ms": "soon"}, "too small": {"segment.bytes": "-5"}}
    bad["no such policy"] = {"cleanup.policy": "shred"}
    bad["no such setting"] = {"no.such.setting": "1"}
    for name, change in bad.items():
        seen[name] = refusal(lambda: client.alter_config(topic, change))
        check(f"{name} is refused", seen[name] != "NONE", True)
    setting("retention.ms", "3600000")
    client.alter_config(topic, {"retention.ms": None})
    setting("retention.ms", before["retention.ms"])
    unknown = refusal(lambda: client.describe_config(client.prefix + "no-such-topic"))
    seen["an unknown topic"] = unknown


def create_partitions(client, seen):
    topic = new_topic(client, "partitions")
    produce(client, topic, numbered(3))
    client.create_partitions(topic, 3)
    until("three partitions", lambda: len(client.metadata(topic).partitions) == 3)
    until("leaders", lambda: min(p[0] for p in client.metadata(topic).partitions.values()) >= 0)
    produce(client, topic, numbered(5), partition=2)
    check_values(read(client, topic, 5, partition=2), numbered(5))
    check_values(read(client, topic, 3), numbered(3))
    seen["fewer"] = refusal(lambda: client.create_partitions(topic, 2))
    seen["as many"] = refusal(lambda: client.create_partitions(topic, 3))
    unknown = client.prefix + "no-such-topic"
    seen["an unknown topic"] = refusal(lambda: client.create_partitions(unknown, 3))


def delete_records(client, seen):
    topic = new_topic(client, "delete-records")
    sent = numbered(100)
    produce(client, topic, sent)
    check("first offset left", client.delete_records(topic, 0, 30), 30)
    check("earliest", client.offset(topic, 0, "earliest"), 30)
    check_values(read(client, topic, 70), sent[30:], first_offset=30)
    seen["beyond the end"] = refusal(lambda: client.delete_records(topic, 0, 101))
    check("all of them", client.delete_records(topic, 0, -1), 100)
    check("earliest", client.offset(topic, 0, "earliest"), 100)
    check("next offset", produce(client, topic, numbered(1)), [100])


def large_record(client, seen):
    topic = new_topic(client, "large")
    large = Record(b"large", b"v" * 900_000)
    small = Record(b"small", b"v")
    with closing(client.producer(record_bytes_max=5_000_000)) as producer:
        check("offset", producer.send(topic, [large]), [0])
        too_large = Record(b"too large", b"v" * 2_000_000)
        seen["2 MB"] = refusal(lambda: producer.send(topic, [too_large]))
        check("2 MB", seen["2 MB"], "MESSAGE_TOO_LARGE")
        check("offset behind it", producer.send(topic, [small]), [1])
    check_values(read(client, topic, 2), [large, small])


def seek(client, seen):
    topic = new_topic(client, "seek")
    sent = numbered(100)
    produce(client, topic, sent)
    with closing(client.consumer()) as consumer:
        consumer.assign(topic, 0, "earliest")
        check("first", take(consumer, 1)[0].offset, 0)
        for offset in (50, 10, 99):
            consumer.seek(topic, 0, offset)
            check(f"after seek to {offset}", take(consumer, 1)[0].offset, offset)
        consumer.seek(topic, 0, "earliest")
        check_values(take(consumer, 100), sent)
        consumer.seek(topic, 0, "latest")
        check("at the end", consumer.poll(0.5), [])
        produce(client, topic, numbered(1))
        check("what is new", take(consumer, 1)[0].offset, 100)


def out_of_range(client, seen):
    topic = new_topic(client, "out-of-range")
    sent = numbered(10)
    produce(client, topic, sent)
    check_values(read(client, topic, 10, at=BEYOND, reset="earliest"), sent)
    with closing(client.consumer(reset="none")) as consumer:
        consumer.assign(topic, 0, BEYOND)
        seen["without reset"] = refusal(lambda: take(consumer, 1))
    client.delete_records(topic, 0, 4)
    check_values(read(client, topic, 6, at=1, reset="earliest"), sent[4:], first_offset=4)


def read_committed(client, seen):
    topic = new_topic(client, "read-committed")
    sent = numbered(50)
    produce(client, topic, sent)
    produce(client, topic, sent, idempotent=True)
    received = read(client, topic, 100, committed_only=True)
    check_values(received, sent + sent)


def unknown_topic(client, seen):
    unknown = client.prefix + "no-such-topic"
    seen["offset"] = refusal(lambda: client.offset(unknown, 0, "latest"))
    with closing(client.consumer()) as consumer:
        consumer.assign(unknown, 0, "earliest")
        seen["consume"] = refusal(lambda: check("records", until_silent(consumer), []))
    seen["delete"] = refusal(lambda: client.delete_topic(unknown))
    known = new_topic(client, "known")
    seen["a partition too far"] = refusal(lambda: client.offset(known, 7, "latest"))


def until_silent(consumer):
    """What comes within a moment, where nothing should."""
    deadline = time.monotonic() + 1
    received = []
    while time.monotonic() < deadline:
        received += consumer.poll(0.2)
    return received


def cluster(client, seen):
    nodes, controller, named = client.cluster()
    check("nodes", list(nodes.values()), [client.bootstrap])
    check("the controller is a node", controller in nodes, True)
    check("the cluster has an id", named, True)


def long_poll(client, seen):
    """A waiting fetch is answered when a record comes, not when its wait is over."""
    topic = new_topic(client, "long-poll")
    arrived = []
    with closing(client.producer()) as producer, closing(client.consumer(wait_ms=5000)) as consumer:
        producer.send(topic, numbered(1))
        consumer.assign(topic, 0, "earliest")
        take(consumer, 1)
        delays = []
        for number in range(1, 6):
            arrived.clear()
            waiting = threading.Thread(
                target=lambda: (take(consumer, 1), arrived.append(time.monotonic())), daemon=True
            )
            waiting.start()
            # A fetch that waits for as long as this is under way.
            waiting.join(0.3)
            check("nothing came before", arrived, [])
            check("offset", producer.send(topic, numbered(1)), [number])
            acknowledged = time.monotonic()
            waiting.join(PATIENCE_S)
            check("arrived", len(arrived), 1)
            delays.append(arrived[0] - acknowledged)
    # The machine may be busy with other things: once has to be quick.
    if min(delays) > 0.1:
        raise Wrong(f"the quickest took {min(delays):.3f} s")


def acks(client, seen):
    topic = new_topic(client, "acks")
    produce(client, topic, numbered(10), acks=0)
    until("what nobody acknowledged is there", lambda: client.offset(topic, 0, "latest") == 10)
    check("offsets", produce(client, topic, numbered(10), acks=1), list(range(10, 20)))
    check_values(read(client, topic, 20), numbered(10) + numbered(10))


CASES = {
    "metadata": metadata,
    "topics": topics,
    "records": records,
    **{f"codec-{name}": codec(name) for name in CODECS},
    "idempotent": idempotent,
    "group-resume": group_resume,
    "group-rebalance": group_rebalance,
    "group-cooperative": group_cooperative,
    "group-static": group_static,
    "offsets": offsets,
    "groups-admin": groups_admin,
    "configs": configs,
    "create-partitions": create_partitions,
    "delete-records": delete_records,
    "large-record": large_record,
    "seek": seek,
    "out-of-range": out_of_range,
    "read-committed": read_committed,
    "unknown-topic": unknown_topic,
    "cluster": cluster,
    "long-poll": long_poll,
    "acks": acks,
}
