"""kcat: produce from stdin, consume one partition from its beginning."""

import re
import subprocess
import sys

import records


def produce(brokers, topic, count):
    lines = b"".join(
        records.key(number) + b"\t" + records.value(number) + b"\n" for number in range(count)
    )
    command = ["kcat", "-P", "-b", brokers, "-t", topic, "-p", "0", "-K", "\t"]
    subprocess.run(command, input=lines, check=True, timeout=120)


def consume(brokers, topic, count):
    command = ["kcat", "-C", "-q", "-e", "-b", brokers, "-t", topic, "-p", "0"]
    command += ["-o", "beginning", "-f", "%o\t%k\t%s\n"]
    output = subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
    lines = output.splitlines()
    if len(lines) != count:
        sys.exit(f"{len(lines)} records came, not {count}")
    for number, line in enumerate(lines):
        offset, record_key, record_value = line.split(b"\t", 2)
        records.check(number, record_key, record_value, int(offset))


if __name__ == "__main__":
    settings = records.arguments()
    produce(*settings)
    consume(*settings)
    version = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
    kcat, librdkafka = re.search(r"Version (\S+) .*librdkafka (\S+)", version).groups()
    print(f"kcat {kcat} (librdkafka {librdkafka})")
