"""kafka-python: produce with its defaults, consume with assign, no group."""

import sys

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

import records

PATIENCE_S = 60


def produce(brokers, topic, count):
    producer = KafkaProducer(bootstrap_servers=brokers, acks="all", linger_ms=5)
    sent = [
        producer.send(topic, key=records.key(number), value=records.value(number), partition=0)
        for number in range(count)
    ]
    producer.flush(PATIENCE_S)
    for number, future in enumerate(sent):
        offset = future.get(PATIENCE_S).offset
        if offset != number:
            sys.exit(f"record {number} was acknowledged at offset {offset}")
    producer.close()


def consume(brokers, topic, count):
    consumer = KafkaConsumer(
        bootstrap_servers=brokers, consumer_timeout_ms=PATIENCE_S * 1000, group_id=None
    )
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    number = 0
    for message in consumer:
        records.check(number, message.key, message.value, message.offset)
        number += 1
        if number == count:
            break
    if number != count:
        sys.exit(f"{number} records came, not {count}")
    consumer.close()


if __name__ == "__main__":
    settings = records.arguments()
    produce(*settings)
    consume(*settings)
    print(f"kafka-python {kafka.__version__}")
