package pagi.clients;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * The Java producer for the crash runs: {@code Endure BOOTSTRAP TOPIC PARTITIONS}.
 *
 * <p>Keeps an idempotent producer busy until its standard input ends, and prints how many records
 * of each partition were acknowledged. The value of a record is its number within its partition.
 */
public final class Endure {
    private static final int AT_ONCE = 20;
    private static final long PAUSE_MS = 5;

    private final String topic;
    private final int partitions;
    private final KafkaProducer<String, String> producer;
    private final AtomicLongArray acknowledged;
    private final AtomicLongArray sent;
    private final List<String> errors = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean ended;

    public Endure(String bootstrap, String topic, int partitions) {
        this.topic = topic;
        this.partitions = partitions;
        acknowledged = new AtomicLongArray(partitions);
        sent = new AtomicLongArray(partitions);
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap,
            "enable.idempotence", true, "linger.ms", 5, "delivery.timeout.ms", 120_000,
            "max.block.ms", 120_000, "reconnect.backoff.max.ms", 500));
        producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    public static void main(String[] arguments) throws Exception {
        Endure endure = new Endure(arguments[0], arguments[1], Integer.parseInt(arguments[2]));
        endure.endWithInput();
        endure.run();
        System.out.println("{\"client\":\"Java " + AppInfoParser.getVersion() + "\",\"acknowledged\":"
            + endure.acknowledged + ",\"errors\":" + quoted(endure.errors()) + "}");
    }

    /** Ends when the standard input does. */
    void endWithInput() {
        Thread reader = new Thread(() -> {
            try {
                System.in.readAllBytes();
            } catch (IOException broken) {
                errors.add("standard input: " + broken);
            }
            end();
        });
        reader.setDaemon(true);
        reader.start();
    }

    public void end() {
        ended = true;
    }

    /** Sends until the end, and waits for all answers. */
    public void run() throws InterruptedException {
        for (long number = 0; !ended || number % AT_ONCE != 0; number++) {
            for (int partition = 0; partition < partitions; partition++) {
                send(partition, number);
            }
            if (number % AT_ONCE == 0) {
                Thread.sleep(PAUSE_MS);
            }
        }
        producer.close();
    }

    private void send(int partition, long number) {
        sent.set(partition, number + 1);
        producer.send(new ProducerRecord<>(topic, partition, null, "" + number), (place, failed) -> {
            if (failed != null) {
                errors.add(String.valueOf(failed));
            } else if (place.offset() != number) {
                errors.add("record " + number + " was acknowledged at offset " + place.offset());
            } else {
                acknowledged.incrementAndGet(partition);
            }
        });
    }

    /** Records of each partition that were sent, acknowledged or not. */
    public long[] sent() {
        return all(sent);
    }

    public long[] acknowledged() {
        return all(acknowledged);
    }

    public List<String> errors() {
        synchronized (errors) {
            return List.copyOf(errors);
        }
    }

    private static long[] all(AtomicLongArray counts) {
        long[] all = new long[counts.length()];
        Arrays.setAll(all, counts::get);
        return all;
    }

    /** As an array in JSON. */
    public static String quoted(List<String> texts) {
        return texts.stream().limit(20).map(Runner::quoted).collect(Collectors.joining(",", "[", "]"));
    }
}
