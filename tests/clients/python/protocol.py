"""What every client program in Python says to `cargo xtask clients`: one JSON object a line."""

import json
import os
import sys
import threading
import time
import traceback
from collections import namedtuple

CASE_S = 60
PATIENCE_S = 30

Record = namedtuple("Record", "key value headers timestamp", defaults=(None, (), None))
"""What is produced: bytes or None, bytes or None, pairs of name and bytes, milliseconds."""

Received = namedtuple("Received", "partition offset key value headers timestamp")
"""What comes back."""

Metadata = namedtuple("Metadata", "brokers partitions")
"""Brokers as {id: "host:port"}, one topic's partitions as {id: (leader, replicas, in sync)}."""


class Refused(Exception):
    """The broker said no; `code` is Kafka's name for it."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class NotAvailable(Exception):
    """The client's API has no such thing."""


class Wrong(Exception):
    """The case has failed."""


def check(what, actual, expected):
    """Fails the case unless both are the same."""
    if actual != expected:
        raise Wrong(f"{what}: {shortened(actual)}, not {shortened(expected)}")


def shortened(value):
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "…"


def until(what, probe, seconds=PATIENCE_S):
    """Asks again until `probe` gives something that is true; gives it, too."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Wrong(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def refusal(action):
    """The code with which the broker refuses an action, or `NONE`."""
    try:
        action()
    except Refused as refused:
        return refused.code
    return "NONE"


def main(make_client, cases):
    """Runs the cases that the command line names, with the client that `make_client` makes."""
    bootstrap, prefix, *names = sys.argv[1:]
    client = make_client(bootstrap, prefix)
    say({"client": client.version})
    for name in names:
        outcome = {}
        thread = threading.Thread(target=run, args=(client, cases, name, outcome), daemon=True)
        begin = time.monotonic()
        thread.start()
        thread.join(CASE_S)
        print(f"{name}: {time.monotonic() - begin:.1f} s", file=sys.stderr)
        if not outcome:
            stack = sys._current_frames().get(thread.ident)
            traceback.print_stack(stack)
            outcome = {"outcome": "fail", "detail": f"not done after {CASE_S} s"}
        say({"case": name, **outcome})
    sys.stderr.flush()
    # Whatever a case left running is not waited for.
    os._exit(0)


def run(client, cases, name, outcome):
    seen = {}
    try:
        if name not in cases:
            raise Wrong("this program does not know the case")
        cases[name](client, seen)
        result = {"outcome": "pass"}
    except NotAvailable as missing:
        result = {"outcome": "n/a", "detail": str(missing)}
    except BaseException as error:
        traceback.print_exc()
        result = {"outcome": "fail", "detail": f"{type(error).__name__}: {error}"}
    outcome.update(result, seen={key: str(value) for key, value in seen.items()})


def say(line):
    print(json.dumps(line), flush=True)
