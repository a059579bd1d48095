//! Publishing to and consuming from any Kafka broker, through `rskafka`.
