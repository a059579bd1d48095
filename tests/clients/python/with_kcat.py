"""kcat. Topics, groups and offsets that are not kcat's affair are looked after by confluent-kafka."""

import json
import queue
import re
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import KafkaError

import cases
import codes
import protocol
import with_confluent_kafka
from protocol import PATIENCE_S, Metadata, NotAvailable, Received, Refused, Wrong, check

DESCRIPTIONS = {KafkaError(code).str(): name for code, name in codes.NAMES.items()}
"""What librdkafka says about a broker's code."""

# Partition, offset, timestamp and both lengths; then key and value; then headers.
FORMAT = "%p %o %T %K %S\n%k%s\n%h\n"
RECORD_END = b"\x1e"
KEY_END = b"\x1f"


def refused(text):
    """Ours for what kcat says on stderr."""
    for description, name in DESCRIPTIONS.items():
        if description in text:
            return Refused(name)
    local = re.search(r"Local: [\w ]+", text)
    if local:
        return Refused(local[0])
    return Wrong(f"kcat: {text}")


def run(*arguments, stdin=b""):
    """Runs kcat to its end; gives its stdout."""
    done = subprocess.run(["kcat", *arguments], input=stdin, capture_output=True, timeout=PATIENCE_S)
    if done.returncode:
        sys.stderr.buffer.write(done.stderr)
        raise refused(done.stderr.decode())
    return done.stdout


class Client(with_confluent_kafka.Client):
    # kcat gives a record the time at which it is sent.
    has_timestamps = False

    def __init__(self, bootstrap, prefix):
        super().__init__(bootstrap, prefix)
        text = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
        kcat, librdkafka = re.search(r"Version (\S+) .*librdkafka (\S+)", text).groups()
        self.version = f"kcat {kcat} (librdkafka {librdkafka})"

    def listed(self, *arguments):
        return json.loads(run("-L", "-J", "-b", self.bootstrap, *arguments))

    def topics(self):
        return {topic["topic"] for topic in self.listed()["topics"]}

    def metadata(self, topic):
        answer = self.listed("-t", topic, "-X", "allow.auto.create.topics=false")
        brokers = {broker["id"]: broker["name"] for broker in answer["brokers"]}
        [found] = answer["topics"]
        if "error" in found:
            raise refused(found["error"])
        partitions = {
            p["partition"]: (p["leader"], ids(p["replicas"]), ids(p["isrs"]))
            for p in found["partitions"]
        }
        return Metadata(brokers, partitions)

    def cluster(self):
        answer = self.listed()
        nodes = {broker["id"]: broker["name"] for broker in answer["brokers"]}
        # kcat does not show the cluster's name.
        return nodes, answer["controllerid"], True

    def offset(self, topic, partition, at):
        at = {"earliest": -2, "latest": -1}.get(at, at)
        text = run("-Q", "-b", self.bootstrap, "-t", f"{topic}:{partition}:{at}").decode()
        found = re.search(r"\[\d+\] offset (-?\d+)", text)
        if not found:
            raise refused(text)
        return int(found[1])

    def producer(self, acks="all", codec=None, idempotent=False, record_bytes_max=1_000_000):
        settings = [f"acks={acks}", f"message.max.bytes={record_bytes_max}", "linger.ms=20"]
        settings += ["retry.backoff.ms=20"]
        switches = ["-z", codec] if codec else []
        if idempotent:
            settings.append("enable.idempotence=true")
            # Else kcat ends when it has lost the connection to its only broker.
            switches.append("-E")
        return Producer(self, settings, switches)

    def consumer(self, group=None, **options):
        return Consumer(self.bootstrap, group, **options)


def ids(replicas):
    return [replica["id"] for replica in replicas]


def x_switches(settings):
    return [word for setting in settings for word in ("-X", setting)]


def parts(records):
    return {part for record in records for part in (record.key, record.value)}


def rows(records):
    """What one kcat can send: with the same headers, and with one meaning of what is empty."""
    row = []
    for record in records:
        if row and (record.headers != row[0].headers or {None, b""} <= parts([*row, record])):
            yield row
            row = []
        row.append(record)
    yield row


class Producer:
    def __init__(self, client, settings, switches):
        self.client = client
        self.switches = [*x_switches(settings), *switches]

    def send(self, topic, records, partition=0):
        """By one kcat for each row of records that are alike."""
        for row in rows(records):
            self.send_row(topic, row, partition)
        # kcat does not say where they are.
        end = self.client.offset(topic, partition, "latest")
        return list(range(end - len(records), end))

    def send_row(self, topic, records, partition):
        stdin = b"".join(
            (record.key or b"") + KEY_END + (record.value or b"") + RECORD_END for record in records
        )
        command = ["-P", "-b", self.client.bootstrap, "-t", topic, "-p", str(partition)]
        command += self.switches
        command += ["-K", KEY_END.decode(), "-D", RECORD_END.decode()]
        command += ["-Z"] if None in parts(records) else []
        for name, value in records[0].headers:
            command += ["-H", name.encode() + b"=" + value]
        run(*command, stdin=stdin)

    def close(self):
        pass


class Consumer:
    """A kcat that runs until it is closed. It commits what it has printed, at times of its own."""

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
        settings = [
            f"auto.offset.reset={'error' if reset == 'none' else reset}",
            f"isolation.level={'read_committed' if committed_only else 'read_uncommitted'}",
            f"fetch.wait.max.ms={wait_ms}",
            "allow.auto.create.topics=false",
        ]
        if group:
            settings += [
                f"partition.assignment.strategy={assignor}",
                "heartbeat.interval.ms=300",
                "session.timeout.ms=10000",
            ]
        if instance:
            settings.append(f"group.instance.id={instance}")
        self.command = ["kcat", "-b", bootstrap, "-f", FORMAT, "-u", *x_switches(settings)]
        self.group = group
        self.process = None
        self.received = queue.Queue()
        self.held = set()

    def subscribe(self, topic, *more):
        self.start("-G", self.group, *more, topic)

    def assign(self, topic, partition, offset):
        at = {"earliest": "beginning", "latest": "end"}.get(offset, str(offset))
        self.start("-C", "-t", topic, "-p", str(partition), "-o", at)

    def start(self, *more):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*self.command, *more], stdout=pipe, stderr=pipe)
        threading.Thread(target=self.read_records, daemon=True).start()
        threading.Thread(target=self.read_notes, daemon=True).start()

    def read_records(self):
        out = self.process.stdout
        while line := out.readline():
            partition, offset, timestamp, key_bytes, value_bytes = map(int, line.split())
            key = None if key_bytes < 0 else out.read(key_bytes)
            value = None if value_bytes < 0 else out.read(value_bytes)
            check("end of the value", out.read(1), b"\n")
            headers = tuple(header(part) for part in out.readline()[:-1].split(b",") if part)
            self.received.put(Received(partition, offset, key, value, headers, timestamp))

    def read_notes(self):
        for line in self.process.stderr:
            text = line.decode()
            print(text, end="", file=sys.stderr)
            partitions = {int(number) for number in re.findall(r" \[(\d+)\]", text)}
            # What begins with %4| and the like is librdkafka's log.
            if text.startswith("% ERROR"):
                self.received.put(refused(text))
            elif "rebalanced" in text and "incremental" in text:
                self.held = self.held - partitions if " revoke " in text else self.held | partitions
            elif "rebalanced" in text:
                self.held = set() if "revoked" in text else partitions

    def poll(self, seconds):
        received = []
        deadline = time.monotonic() + seconds
        while not received or not self.received.empty():
            try:
                received.append(self.received.get(timeout=max(0, deadline - time.monotonic())))
            except queue.Empty:
                return received
            if isinstance(received[-1], Exception):
                raise received[-1]
        return received

    def assignment(self):
        return set(self.held)

    def commit(self, topic, partition, offset):
        """At the latest when it is closed."""

    def seek(self, topic, partition, offset):
        raise NotAvailable("kcat begins at an offset and stays in order")

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)


def header(part):
    name, value = part.split(b"=", 1)
    return name.decode(), value


def group_resume(client, seen):
    """kcat ends after so many records, and commits them."""
    topic, group = cases.new_topic(client, "resume"), client.prefix + "resume"
    sent = cases.numbered(100)
    cases.produce(client, topic, sent)
    for first, count in ((0, 40), (40, 60)):
        consumer = client.consumer(group)
        consumer.subscribe(topic, "-c", str(count))
        cases.check_values(cases.take(consumer, count), sent[first : first + count], first)
        consumer.process.wait(PATIENCE_S)
        check("committed", client.committed(group, topic, 0), first + count)


def offsets(client, seen):
    """Records have the times at which they were sent, so those are looked up."""
    topic = cases.new_topic(client, "offsets")
    for number in range(10):
        cases.produce(client, topic, cases.numbered(1))
    times = [record.timestamp for record in cases.read(client, topic, 10)]
    wanted = {
        "earliest": ("earliest", 0),
        "latest": ("latest", 10),
        "at a timestamp": (times[5], times.index(times[5])),
        "before all": (times[0] - 1000, 0),
        "after all": (times[9] + 10_000, -1),
    }
    for name, (at, offset) in wanted.items():
        check(name, client.offset(topic, 0, at), offset)


def not_available(what):
    def case(client, seen):
        raise NotAvailable(what)

    return case


if __name__ == "__main__":
    own = {
        "topics": not_available("kcat cannot create or delete topics"),
        "group-resume": group_resume,
        "offsets": offsets,
        "groups-admin": not_available("kcat cannot list, describe or delete groups"),
        "configs": not_available("kcat knows no settings of topics"),
        "create-partitions": not_available("kcat cannot add partitions"),
        "delete-records": not_available("kcat cannot delete records"),
    }
    protocol.main(Client, {**cases.CASES, **own})
