package pagi.clients;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.protocol.Errors;

/** A case while it runs: its names, what it saw, and its ways to fail. */
public final class Case implements AutoCloseable {
    static final int SECONDS = Integer.getInteger("pagi.seconds", 60);
    static final String CLIENT_ID = "pagi-matrix";

    public final String bootstrap;
    final Map<String, String> seen = Collections.synchronizedMap(new TreeMap<>());
    private final String prefix;
    private final String name;
    private final long deadline = System.nanoTime() + SECONDS * 1_000_000_000L;
    private final List<AutoCloseable> opened = Collections.synchronizedList(new ArrayList<>());
    private Admin admin;

    /** The case failed; the message says why. */
    static final class Failed extends RuntimeException {
        private static final long serialVersionUID = 1;

        Failed(String why) {
            super(why);
        }
    }

    /** The client has no such thing. */
    static final class NotAvailable extends RuntimeException {
        private static final long serialVersionUID = 1;

        NotAvailable(String why) {
            super(why);
        }
    }

    Case(String bootstrap, String prefix, String name) {
        this.bootstrap = bootstrap;
        this.prefix = prefix;
        this.name = name;
    }

    public String topic(String suffix) {
        return prefix + name + suffix;
    }

    public String group() {
        return prefix + name + "-group";
    }

    /** Settings of every client. */
    Map<String, Object> settings() {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("client.id", CLIENT_ID);
        return settings;
    }

    /** Closed after the case. */
    <C extends AutoCloseable> C opened(C closeable) {
        opened.add(closeable);
        return closeable;
    }

    synchronized Admin admin() {
        if (admin == null) {
            admin = opened(Admin.create(settings()));
        }
        return admin;
    }

    public void saw(String what, Object value) {
        seen.put(what, String.valueOf(value));
    }

    public void equal(String what, Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) {
            throw new Failed(what + ": got " + got + ", wanted " + wanted);
        }
    }

    public void holds(String what, boolean holds) {
        if (!holds) {
            throw new Failed("does not hold: " + what);
        }
    }

    /** Asks again and again, until the answer is true or the case's time is over. */
    public void until(String what, Callable<Boolean> reached) throws Exception {
        while (!reached.call()) {
            if (System.nanoTime() > deadline) {
                throw new Failed("waited in vain: " + what);
            }
            Thread.sleep(20);
        }
    }

    /** Runs what must be refused, and notes and checks the error's name. */
    void refused(String what, String wanted, Callable<?> attempt) {
        String code = "NONE";
        String message = "no error";
        try {
            attempt.call();
        } catch (Exception failed) {
            code = code(failed);
            message = String.valueOf(failed.getMessage());
        }
        saw(what, code);
        if (!code.equals(wanted)) {
            throw new Failed(what + ": got " + code + " (" + message + "), wanted " + wanted);
        }
    }

    /** Kafka's name of an error, or the exception's where it is none of Kafka's. */
    static String code(Throwable failed) {
        Throwable cause = failed;
        while (cause.getCause() != null
            && (cause instanceof ExecutionException || cause instanceof CompletionException)) {
            cause = cause.getCause();
        }
        Errors known = Errors.forException(cause);
        return known == Errors.UNKNOWN_SERVER_ERROR ? cause.getClass().getSimpleName() : known.name();
    }

    static <V> V get(KafkaFuture<V> answer) throws Exception {
        return answer.get();
    }

    /** Makes a topic and waits until it can be seen. */
    void create(String topic, int partitions, Map<String, String> configs) throws Exception {
        NewTopic wanted = new NewTopic(topic, partitions, (short) 1).configs(configs);
        get(admin().createTopics(List.of(wanted)).all());
        until("described: " + topic, () -> {
            try {
                return described(topic).partitions().stream()
                    .filter(one -> one.leader() != null && one.replicas().size() == 1 && one.isr().size() == 1)
                    .count() == partitions;
            } catch (ExecutionException failed) {
                if (!code(failed).equals("UNKNOWN_TOPIC_OR_PARTITION")) {
                    throw failed;
                }
                return false;
            }
        });
    }

    TopicDescription described(String topic) throws Exception {
        return get(admin().describeTopics(List.of(topic)).allTopicNames()).get(topic);
    }

    @Override
    public void close() {
        for (AutoCloseable closeable : List.copyOf(opened)) {
            try {
                closeable.close();
            } catch (Exception late) {
                System.err.println("close: " + late);
            }
        }
    }
}
