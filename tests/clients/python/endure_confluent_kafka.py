"""librdkafka for the crash runs: `BOOTSTRAP TOPIC PARTITIONS`.

Keeps an idempotent producer busy until its standard input ends, and prints how many records of
each partition were acknowledged. The value of a record is its number within its partition.
"""

import json
import sys
import threading

import confluent_kafka

AT_ONCE = 20
PAUSE_SECONDS = 0.005
PATIENCE_SECONDS = 60


def main():
    bootstrap, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
    acknowledged = [0] * partitions
    errors = []

    def answered(error, message):
        if error is not None:
            errors.append(str(error))
        elif int(message.value()) != message.offset():
            errors.append(f"record {message.value()} was acknowledged at offset {message.offset()}")
        else:
            acknowledged[message.partition()] += 1

    def failed(error):
        if error.fatal():
            errors.append(f"fatal: {error}")

    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": 120_000,
            "reconnect.backoff.max.ms": 500,
            "error_cb": failed,
        }
    )
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    number = 0
    while not ended.is_set():
        for _ in range(AT_ONCE):
            for partition in range(partitions):
                send(producer, topic, str(number), partition, answered)
            number += 1
        producer.poll(PAUSE_SECONDS)
    unanswered = producer.flush(PATIENCE_SECONDS)
    if unanswered:
        errors.append(f"{unanswered} records were not answered")
    client = f"librdkafka {confluent_kafka.libversion()[0]}"
    print(json.dumps({"client": client, "acknowledged": acknowledged, "errors": errors}))


def send(producer, topic, value, partition, answered):
    while True:
        try:
            producer.produce(topic, value, partition=partition, on_delivery=answered)
            return
        except BufferError:
            producer.poll(0.1)


main()
