package pagi.clients;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a group that others are in, too: {@code Share BOOTSTRAP TOPIC GROUP ASSIGNOR}.
 *
 * <p>Prints where each record is, as a line of JSON, and commits what it has printed. Leaves when its
 * standard input ends.
 */
public final class Share {
    private static final Map<String, String> ASSIGNORS = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    private static volatile boolean ended;

    private Share() {
    }

    public static void main(String[] arguments) {
        endWithInput();
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0],
            "group.id", arguments[2], "auto.offset.reset", "earliest", "enable.auto.commit", false,
            "partition.assignment.strategy", ASSIGNORS.get(arguments[3]));
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings,
            new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(arguments[1]));
            while (!ended) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
                for (ConsumerRecord<String, String> record : records) {
                    System.out.println("{\"partition\":" + record.partition() + ",\"offset\":"
                        + record.offset() + "}");
                }
                if (!records.isEmpty()) {
                    consumer.commitSync();
                }
            }
        }
    }

    private static void endWithInput() {
        Thread reader = new Thread(() -> {
            try {
                System.in.readAllBytes();
            } catch (IOException broken) {
                System.err.println("standard input: " + broken);
            }
            ended = true;
        });
        reader.setDaemon(true);
        reader.start();
    }
}
