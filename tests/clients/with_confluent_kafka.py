"""confluent-kafka (librdkafka): produce with idempotence on, consume with assign, no group."""

import sys

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition

import records

PATIENCE_S = 60


def produce(brokers, topic, count):
    failures = []

    def delivered(error, message):
        if error is not None:
            failures.append(error)

    producer = Producer(
        {"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 5}
    )
    for number in range(count):
        producer.produce(
            topic,
            key=records.key(number),
            value=records.value(number),
            partition=0,
            on_delivery=delivered,
        )
        producer.poll(0)
    left = producer.flush(PATIENCE_S)
    if left or failures:
        sys.exit(f"{left} not delivered, failures: {failures[:3]}")


def consume(brokers, topic, count):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "not-used",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    for number in range(count):
        message = consumer.poll(PATIENCE_S)
        if message is None or message.error():
            sys.exit(f"record {number}: {message and message.error()}")
        records.check(number, message.key(), message.value(), message.offset())
    consumer.close()


if __name__ == "__main__":
    settings = records.arguments()
    produce(*settings)
    consume(*settings)
    librdkafka, _ = confluent_kafka.libversion()
    print(f"confluent-kafka {confluent_kafka.__version__} (librdkafka {librdkafka})")
