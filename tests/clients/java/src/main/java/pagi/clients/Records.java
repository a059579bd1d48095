package pagi.clients;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Making, sending, reading and comparing records. */
final class Records {
    /** Timestamp of the first record of a case: neither too old for retention nor in the future. */
    static final long FIRST_TIME = System.currentTimeMillis() - 30 * 60_000;

    private Records() {}

    /** With everything that a record can hold. */
    static List<ProducerRecord<byte[], byte[]>> varied(String topic, int count) {
        Random random = new Random(4);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            byte[] key = i % 7 == 1 ? null : bytes("key-" + i);
            byte[] value = new byte[1 + random.nextInt(200)];
            random.nextBytes(value);
            List<Header> headers = List.of();
            switch (i % 7) {
                case 2 -> value = null;
                case 3 -> value = new byte[0];
                case 4 -> headers = List.of(new RecordHeader("same", bytes("1")),
                    new RecordHeader("other", new byte[] {0, -1}), new RecordHeader("same", bytes("2")));
                case 5 -> headers = List.of(new RecordHeader("none", (byte[]) null),
                    new RecordHeader("empty", new byte[0]), new RecordHeader("ünï", bytes("ö")));
                default -> { }
            }
            records.add(new ProducerRecord<>(topic, 0, FIRST_TIME + i * 10L, key, value, headers));
        }
        return records;
    }

    /** Text that compresses well, for the partitions in turn. */
    static List<ProducerRecord<byte[], byte[]>> plain(String topic, int count, int partitions) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            byte[] value = bytes(topic + "-" + i + " " + "abc ".repeat(20));
            records.add(new ProducerRecord<>(topic, i % partitions, FIRST_TIME + i * 1000L, bytes("" + i), value));
        }
        return records;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static KafkaProducer<byte[], byte[]> producer(Case run, Map<String, Object> more) {
        Map<String, Object> settings = run.settings();
        settings.put("linger.ms", 5);
        settings.putAll(more);
        return run.opened(new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer()));
    }

    /** Sends all at once and waits for the answers. */
    static List<RecordMetadata> send(KafkaProducer<byte[], byte[]> producer,
        List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        List<Future<RecordMetadata>> waiting = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) {
            waiting.add(producer.send(record));
        }
        producer.flush();
        List<RecordMetadata> answers = new ArrayList<>();
        for (Future<RecordMetadata> answer : waiting) {
            answers.add(answer.get());
        }
        return answers;
    }

    /** Sends plain records to partition 0 with a producer of its own. */
    static List<ProducerRecord<byte[], byte[]>> fill(Case run, String topic, int count) throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = plain(topic, count, 1);
        send(producer(run, Map.of()), records);
        return records;
    }

    static KafkaConsumer<byte[], byte[]> consumer(Case run, Map<String, Object> more) {
        Map<String, Object> settings = run.settings();
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", false);
        settings.put("fetch.max.wait.ms", 200);
        settings.putAll(more);
        return run.opened(new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
    }

    static KafkaConsumer<byte[], byte[]> reader(Case run, TopicPartition partition, Map<String, Object> more) {
        KafkaConsumer<byte[], byte[]> consumer = consumer(run, more);
        consumer.assign(List.of(partition));
        return consumer;
    }

    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        while (records.size() < count && !Thread.currentThread().isInterrupted()) {
            consumer.poll(Duration.ofSeconds(1)).forEach(records::add);
        }
        return records;
    }

    /** Fails unless the records came as they were sent, at offsets from first on. */
    static void same(Case run, List<ConsumerRecord<byte[], byte[]>> got,
        List<ProducerRecord<byte[], byte[]>> wanted, long first) {
        run.equal("number of records", got.size(), wanted.size());
        for (int i = 0; i < got.size(); i++) {
            ConsumerRecord<byte[], byte[]> a = got.get(i);
            ProducerRecord<byte[], byte[]> b = wanted.get(i);
            run.equal("offset of record " + i, a.offset(), first + i);
            run.equal("timestamp of record " + i, a.timestamp(), b.timestamp());
            run.holds("key of record " + i, Arrays.equals(a.key(), b.key()));
            run.holds("value of record " + i, Arrays.equals(a.value(), b.value()));
            run.equal("headers of record " + i, List.of(a.headers().toArray()), List.of(b.headers().toArray()));
        }
    }}
