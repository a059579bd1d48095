package pagi.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** A group member that polls on a thread of its own until it is closed. */
final class Member implements AutoCloseable, ConsumerRebalanceListener {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final String topic;
    private final Thread thread;
    private final Set<Integer> assigned = new TreeSet<>();
    private final AtomicInteger lost = new AtomicInteger();
    private final List<ConsumerRecord<byte[], byte[]>> records = Collections.synchronizedList(new ArrayList<>());
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private volatile boolean closing;
    private volatile Exception failed;

    private Member(KafkaConsumer<byte[], byte[]> consumer, String topic) {
        this.consumer = consumer;
        this.topic = topic;
        thread = new Thread(this::poll, "member");
        thread.setDaemon(true);
    }

    /** Joins the case's group, with settings of its own. */
    static Member join(Case run, String topic, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of(
            "group.id", run.group(), "group.protocol", "classic", "heartbeat.interval.ms", 100,
            "session.timeout.ms", 10_000,
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"));
        settings.putAll(more);
        Member member = new Member(Records.consumer(run, settings), topic);
        member.thread.start();
        return member;
    }

    private void poll() {
        try {
            consumer.subscribe(List.of(topic), this);
            while (!closing) {
                consumer.poll(Duration.ofMillis(50)).forEach(records::add);
                for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
                    task.run();
                }
            }
        } catch (RuntimeException broken) {
            failed = broken;
        } finally {
            consumer.close(Duration.ofSeconds(5));
        }
    }

    @Override
    public synchronized void onPartitionsAssigned(Collection<TopicPartition> taken) {
        taken.forEach(one -> assigned.add(one.partition()));
    }

    @Override
    public synchronized void onPartitionsRevoked(Collection<TopicPartition> given) {
        given.forEach(one -> assigned.remove(one.partition()));
        lost.addAndGet(given.size());
    }

    synchronized Set<Integer> assigned() {
        return new TreeSet<>(assigned);
    }

    /** How many partitions were ever taken from it. */
    int lost() {
        return lost.get();
    }

    /** What ended it, or null. */
    Exception failed() {
        return failed;
    }

    List<ConsumerRecord<byte[], byte[]>> records() {
        synchronized (records) {
            return List.copyOf(records);
        }
    }

    void commit(Map<TopicPartition, OffsetAndMetadata> offsets) throws Exception {
        CompletableFuture<Void> done = new CompletableFuture<>();
        tasks.add(() -> {
            try {
                consumer.commitSync(offsets);
                done.complete(null);
            } catch (RuntimeException refused) {
                done.completeExceptionally(refused);
            }
        });
        done.get();
    }

    @Override
    public void close() throws InterruptedException {
        closing = true;
        thread.join();
    }
}
