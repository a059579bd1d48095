package pagi.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** Producing and consuming without a group. */
final class RecordCases {
    private RecordCases() {}

    static void addTo(Runner runner) {
        runner.add("records", run -> roundTrip(run, Map.of()));
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
            runner.add("codec-" + codec, run -> roundTrip(run, Map.of("compression.type", codec)));
        }
        runner.add("idempotent", RecordCases::idempotent);
        runner.add("large-record", RecordCases::largeRecord);
        runner.add("seek", RecordCases::seek);
        runner.add("out-of-range", RecordCases::outOfRange);
        runner.add("read-committed", RecordCases::readCommitted);
        runner.add("long-poll", RecordCases::longPoll);
        runner.add("acks", RecordCases::acks);
    }

    private static TopicPartition topic(Case run, String suffix) throws Exception {
        run.create(run.topic(suffix), 1, Map.of());
        return new TopicPartition(run.topic(suffix), 0);
    }

    private static void roundTrip(Case run, Map<String, Object> settings) throws Exception {
        TopicPartition place = topic(run, "");
        List<ProducerRecord<byte[], byte[]>> sent = Records.varied(place.topic(), 1000);
        List<RecordMetadata> answers = Records.send(Records.producer(run, settings), sent);
        run.equal("offset of the last record", answers.get(999).offset(), 999L);
        Records.same(run, Records.read(Records.reader(run, place, Map.of()), 1000), sent, 0);
    }

    /** Every fourth answer for such a topic is lost on the way. */
    private static void idempotent(Case run) throws Exception {
        TopicPartition place = topic(run, "-flaky");
        List<ProducerRecord<byte[], byte[]>> sent = Records.plain(place.topic(), 500, 1);
        KafkaProducer<byte[], byte[]> producer = Records.producer(run, Map.of("enable.idempotence", true));
        for (int next = 0; next < sent.size(); next += 10) {
            Records.send(producer, sent.subList(next, next + 10));
        }
        KafkaConsumer<byte[], byte[]> consumer = Records.reader(run, place, Map.of());
        Records.same(run, Records.read(consumer, 500), sent, 0);
        run.equal("end", consumer.endOffsets(List.of(place)).get(place), 500L);
    }

    private static void largeRecord(Case run) throws Exception {
        TopicPartition place = topic(run, "");
        KafkaProducer<byte[], byte[]> producer =
            Records.producer(run, Map.of("max.request.size", 8 << 20, "batch.size", 4 << 20));
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        sent.add(large(place.topic(), 900 << 10));
        Records.send(producer, sent);
        run.refused("too large", "MESSAGE_TOO_LARGE", () -> producer.send(large(place.topic(), 2 << 20)).get());
        sent.addAll(Records.plain(place.topic(), 1, 1));
        RecordMetadata after = producer.send(sent.get(1)).get();
        run.saw("offset afterwards", after.offset());
        Records.same(run, Records.read(Records.reader(run, place, Map.of()), 2), sent, 0);
    }

    private static ProducerRecord<byte[], byte[]> large(String topic, int size) {
        byte[] value = new byte[size];
        Arrays.fill(value, (byte) 'x');
        value[size - 1] = 'y';
        return new ProducerRecord<>(topic, 0, Records.FIRST_TIME, Records.bytes("large"), value);
    }

    private static void seek(Case run) throws Exception {
        TopicPartition place = topic(run, "");
        List<ProducerRecord<byte[], byte[]>> sent = Records.fill(run, place.topic(), 100);
        KafkaConsumer<byte[], byte[]> consumer = Records.reader(run, place, Map.of());
        consumer.seek(place, 50);
        Records.same(run, Records.read(consumer, 50), sent.subList(50, 100), 50);
        consumer.seek(place, 10);
        Records.same(run, Records.read(consumer, 90), sent.subList(10, 100), 10);
        consumer.seekToBeginning(List.of(place));
        run.equal("position at the beginning", consumer.position(place), 0L);
        consumer.seekToEnd(List.of(place));
        run.equal("position at the end", consumer.position(place), 100L);
    }

    private static void outOfRange(Case run) throws Exception {
        TopicPartition place = topic(run, "");
        List<ProducerRecord<byte[], byte[]>> sent = Records.fill(run, place.topic(), 20);
        KafkaConsumer<byte[], byte[]> strict = Records.reader(run, place, Map.of("auto.offset.reset", "none"));
        strict.seek(place, 1000);
        run.refused("without reset", "OffsetOutOfRangeException", () -> Records.read(strict, 1));
        strict.seek(place, 5);
        Records.same(run, Records.read(strict, 15), sent.subList(5, 20), 5);
        KafkaConsumer<byte[], byte[]> first = Records.reader(run, place, Map.of("auto.offset.reset", "earliest"));
        first.seek(place, 1000);
        Records.same(run, Records.read(first, 20), sent, 0);
        KafkaConsumer<byte[], byte[]> last = Records.reader(run, place, Map.of("auto.offset.reset", "latest"));
        last.seek(place, 1000);
        run.until("reset to the end", () -> {
            last.poll(Duration.ofMillis(100));
            return last.position(place) == 20;
        });
    }

    private static void readCommitted(Case run) throws Exception {
        TopicPartition place = topic(run, "");
        List<ProducerRecord<byte[], byte[]>> sent = Records.fill(run, place.topic(), 100);
        KafkaConsumer<byte[], byte[]> consumer =
            Records.reader(run, place, Map.of("isolation.level", "read_committed"));
        Records.same(run, Records.read(consumer, 100), sent, 0);
        run.equal("last stable offset", consumer.endOffsets(List.of(place)).get(place), 100L);
    }

    /** Takes the middle of five tries: a busy machine may be late once. */
    private static void longPoll(Case run) throws Exception {
        TopicPartition place = topic(run, "");
        KafkaProducer<byte[], byte[]> producer = Records.producer(run, Map.of("linger.ms", 0));
        List<ProducerRecord<byte[], byte[]>> one = Records.plain(place.topic(), 1, 1);
        Records.send(producer, one);
        KafkaConsumer<byte[], byte[]> consumer = Records.reader(run, place, Map.of("fetch.max.wait.ms", 5000));
        Records.read(consumer, 1);
        List<Long> late = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            CompletableFuture<Long> arrived = CompletableFuture.supplyAsync(() -> {
                Records.read(consumer, 1);
                return System.nanoTime();
            });
            // The poll must already wait when the record comes; how long it waited is of no account.
            Thread.sleep(150);
            Records.send(producer, one);
            long answered = System.nanoTime();
            late.add((arrived.get(Case.SECONDS, TimeUnit.SECONDS) - answered) / 1_000_000);
        }
        late.sort(null);
        run.holds("answered within 100 ms of the produce, but took " + late, late.get(2) <= 100);
    }

    private static void acks(Case run) throws Exception {
        TopicPartition place = topic(run, "");
        List<ProducerRecord<byte[], byte[]>> sent = Records.plain(place.topic(), 30, 1);
        KafkaConsumer<byte[], byte[]> consumer = Records.reader(run, place, Map.of());
        List<String> levels = List.of("0", "1", "all");
        for (int part = 0; part < 3; part++) {
            Map<String, Object> settings = Map.of("acks", levels.get(part), "enable.idempotence", part == 2);
            List<RecordMetadata> answers =
                Records.send(Records.producer(run, settings), sent.subList(part * 10, part * 10 + 10));
            run.equal("shows an offset with acks " + levels.get(part), answers.get(9).hasOffset(), part > 0);
            long wanted = part * 10 + 10;
            run.until("the records are there", () -> consumer.endOffsets(List.of(place)).get(place) == wanted);
        }
        List<ConsumerRecord<byte[], byte[]>> got = Records.read(consumer, 30);
        Records.same(run, got, sent, 0);
    }
}
