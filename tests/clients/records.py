"""The records that every client produces and expects back, in order."""

import sys


def arguments():
    """brokers, topic, count"""
    brokers, topic, count = sys.argv[1:]
    return brokers, topic, int(count)


def key(number):
    return f"key-{number % 16}".encode()


def value(number):
    return f"{number}:".encode() + b"v" * (number % 1000)


def check(number, record_key, record_value, offset):
    """Stops with a message unless this is the record with that number, at its offset."""
    if (record_key, record_value, offset) != (key(number), value(number), number):
        sys.exit(f"record {number}: offset {offset}, key {record_key!r}, {record_value[:40]!r}")
