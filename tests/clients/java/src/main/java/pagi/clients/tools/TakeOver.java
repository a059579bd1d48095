package pagi.clients.tools;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.tools.consumer.group.ConsumerGroupCommand;
import pagi.clients.Endure;

/**
 * Two members of a group that take over from each other, for the crash runs:
 * {@code TakeOver BOOTSTRAP TOPIC GROUP PARTITIONS}.
 *
 * <p>Meanwhile a producer produces and {@code ConsumerGroupCommand --describe} is asked again and
 * again. Whatever it says must lie between what was known before the question and after the answer;
 * it may fail to answer, while the broker is down. Ends some time after its standard input does, when
 * all is consumed, with one line of JSON.
 */
public final class TakeOver {
    private static final Duration POLL = Duration.ofMillis(100);
    /** How long a member works until the other one is to take over. */
    private static final long TURN_MS = 1500;
    /** How long consuming the rest may take. */
    private static final long PATIENCE_MS = 60_000;

    private final String bootstrap;
    private final String topic;
    private final String group;
    private final int partitions;
    private final Endure producer;
    private final CountDownLatch inputEnded = new CountDownLatch(1);
    private final List<String> wrong = Collections.synchronizedList(new ArrayList<>());
    /** The next offset of each partition that nobody has consumed yet. */
    private final AtomicLongArray consumed;
    /** Commits that were acknowledged, and that were sent. */
    private final AtomicLongArray committed;
    private final AtomicLongArray committing;
    private final AtomicLong again = new AtomicLong();
    private final AtomicInteger refusedCommits = new AtomicInteger();
    private final AtomicInteger assignments = new AtomicInteger();
    private int described;
    private int undescribed;
    private int turns;

    private TakeOver(String bootstrap, String topic, String group, int partitions) {
        this.bootstrap = bootstrap;
        this.topic = topic;
        this.group = group;
        this.partitions = partitions;
        producer = new Endure(bootstrap, topic, partitions);
        consumed = new AtomicLongArray(partitions);
        committed = new AtomicLongArray(partitions);
        committing = new AtomicLongArray(partitions);
    }

    public static void main(String[] arguments) throws Exception {
        TakeOver run = new TakeOver(arguments[0], arguments[1], arguments[2], Integer.parseInt(arguments[3]));
        run.run();
        System.out.println(run.report());
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    /** One member, on a thread of its own. */
    private final class Worker extends Thread {
        private volatile boolean leaving;

        Worker() {
            super("member");
            setDaemon(true);
        }

        @Override
        public void run() {
            Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap,
                "group.id", group, "group.protocol", "classic", "auto.offset.reset", "earliest",
                "enable.auto.commit", false, "session.timeout.ms", 6000, "heartbeat.interval.ms", 200,
                "default.api.timeout.ms", 5000, "fetch.max.wait.ms", 100, "reconnect.backoff.max.ms", 200));
            try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
                consumer.subscribe(List.of(topic), new Counter());
                while (!leaving) {
                    work(consumer);
                }
            } catch (KafkaException broken) {
                wrong.add("a member failed: " + broken);
            }
        }

        void leave() throws InterruptedException {
            leaving = true;
            join();
        }
    }

    private final class Counter implements org.apache.kafka.clients.consumer.ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(java.util.Collection<TopicPartition> taken) {
            assignments.incrementAndGet();
        }

        @Override
        public void onPartitionsRevoked(java.util.Collection<TopicPartition> given) {
            // What is not committed yet is consumed again by whoever takes over.
        }
    }

    private void work(KafkaConsumer<String, String> consumer) {
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
            take(record);
            next.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        if (next.isEmpty()) {
            return;
        }
        next.forEach((place, offset) -> raise(committing, place.partition(), offset.offset()));
        try {
            consumer.commitSync(next);
            next.forEach((place, offset) -> raise(committed, place.partition(), offset.offset()));
        } catch (KafkaException refused) {
            // The group rebalances or the broker is away: somebody consumes these records again.
            refusedCommits.incrementAndGet();
        }
    }

    private static void raise(AtomicLongArray counts, int partition, long to) {
        counts.accumulateAndGet(partition, to, Math::max);
    }

    private void take(ConsumerRecord<String, String> record) {
        if (!record.value().equals("" + record.offset())) {
            wrong.add("offset " + record.offset() + " of partition " + record.partition() + " holds " + record.value());
        }
        long expected = consumed.getAndAccumulate(record.partition(), record.offset() + 1, Math::max);
        if (record.offset() > expected) {
            wrong.add("partition " + record.partition() + " skipped from " + expected + " to " + record.offset());
        } else if (record.offset() < expected) {
            again.incrementAndGet();
        }
    }

    private void run() throws Exception {
        Thread reader = new Thread(() -> {
            try {
                System.in.readAllBytes();
            } catch (IOException broken) {
                wrong.add("standard input: " + broken);
            }
            inputEnded.countDown();
        });
        reader.setDaemon(true);
        reader.start();
        Thread producing = new Thread(() -> {
            try {
                producer.run();
            } catch (InterruptedException interrupted) {
                wrong.add("the producer was interrupted");
            }
        });
        producing.start();
        Worker[] members = {new Worker(), new Worker()};
        Arrays.stream(members).forEach(Thread::start);
        Thread asking = new Thread(this::ask, "describe");
        asking.start();
        while (!inputEnded.await(TURN_MS, TimeUnit.MILLISECONDS)) {
            int leaver = turns++ % 2;
            members[leaver].leave();
            Thread.sleep(TURN_MS / 2);
            members[leaver] = new Worker();
            members[leaver].start();
        }
        producer.end();
        producing.join();
        finish();
        asking.join();
        for (Worker member : members) {
            member.leave();
        }
        look(true);
    }

    /** Waits until all is consumed and committed. */
    private void finish() throws InterruptedException {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        long[] end = producer.acknowledged();
        for (int partition = 0; partition < partitions; partition++) {
            while (committed.get(partition) < end[partition]) {
                if (System.currentTimeMillis() > deadline) {
                    wrong.add("partition " + partition + ": committed " + committed.get(partition) + " of " + end[partition]);
                    return;
                }
                Thread.sleep(20);
            }
        }
    }

    private void ask() {
        while (inputEnded.getCount() > 0) {
            look(false);
        }
    }

    /** Asks once. In the end an answer is due, and the lag is nothing. */
    private void look(boolean atEnd) {
        long[] acknowledged = producer.acknowledged();
        long[] committedBefore = new long[partitions];
        Arrays.setAll(committedBefore, committed::get);
        Tool answer = Tool.run(ConsumerGroupCommand::main, "", "--bootstrap-server", bootstrap, "--describe",
            "--group", group);
        long[] sent = producer.sent();
        Pattern row = Pattern.compile(Pattern.quote(group) + "\\s+" + Pattern.quote(topic)
            + "\\s+(\\d+)\\s+(\\d+|-)\\s+(\\d+)\\s+(\\d+|-)\\s");
        Matcher rows = row.matcher(answer.said);
        int seen = 0;
        while (rows.find()) {
            seen++;
            int partition = Integer.parseInt(rows.group(1));
            // No offset was committed yet: that is not said in numbers.
            boolean none = rows.group(2).equals("-");
            long offset = none ? 0 : Long.parseLong(rows.group(2));
            long end = Long.parseLong(rows.group(3));
            long lag = none ? end : Long.parseLong(rows.group(4));
            boolean right = committedBefore[partition] <= offset && offset <= committing.get(partition)
                && acknowledged[partition] <= end && end <= sent[partition] && lag == Math.max(0, end - offset)
                && (!atEnd || lag == 0);
            if (!right) {
                wrong.add("described " + rows.group().trim() + "; committed " + committedBefore[partition] + " to "
                    + committing.get(partition) + ", produced " + acknowledged[partition] + " to " + sent[partition]);
            }
        }
        if (seen == partitions) {
            described++;
        } else {
            undescribed++;
        }
        if (atEnd && seen != partitions) {
            wrong.add("not described in the end: " + answer.said);
        }
    }

    private String report() {
        wrong.addAll(producer.errors());
        return "{\"records\":" + Arrays.stream(producer.acknowledged()).sum() + ",\"again\":" + again
            + ",\"take_overs\":" + turns + ",\"assignments\":" + assignments + ",\"refused_commits\":" + refusedCommits
            + ",\"described\":" + described + ",\"undescribed\":" + undescribed
            + ",\"wrong\":" + Endure.quoted(wrong) + "}";
    }
}
