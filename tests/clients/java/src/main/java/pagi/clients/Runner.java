package pagi.clients;

import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs cases, each beside its clock, and reports them: the client's name, then one line of JSON for
 * each case on the standard output.
 */
public final class Runner {
    private final Map<String, Body> bodies = new LinkedHashMap<>();
    private final String client;
    private final String bootstrap;
    private final String prefix;
    /** Kept, for cases may redirect the standard output for a while. */
    private final PrintStream out = System.out;

    /** What a case does; it returns when it passed. */
    public interface Body {
        void run(Case run) throws Exception;
    }

    public Runner(String client, String bootstrap, String prefix) {
        this.client = client;
        this.bootstrap = bootstrap;
        this.prefix = prefix;
    }

    public void add(String name, Body body) {
        bodies.put(name, body);
    }

    public void run(List<String> names) {
        out.println("{\"client\":" + quoted(client) + "}");
        ExecutorService threads = Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task, "case");
            thread.setDaemon(true);
            return thread;
        });
        for (String name : names) {
            Case run = new Case(bootstrap, prefix, name);
            long begin = System.nanoTime();
            String[] outcome = one(threads, run, bodies.get(name));
            System.err.println(name + ": " + outcome[0] + " in " + (System.nanoTime() - begin) / 1_000_000 + " ms");
            out.println(line(run, name, outcome));
            threads.execute(run::close);
        }
    }

    private static String[] one(ExecutorService threads, Case run, Body body) {
        if (body == null) {
            return new String[] {"n/a", "not a case for this client"};
        }
        Future<?> running = threads.submit(() -> {
            body.run(run);
            return null;
        });
        try {
            running.get(Case.SECONDS, TimeUnit.SECONDS);
            return new String[] {"pass", ""};
        } catch (TimeoutException late) {
            running.cancel(true);
            return new String[] {"fail", "took longer than " + Case.SECONDS + " s"};
        } catch (InterruptedException interrupted) {
            return new String[] {"fail", "interrupted"};
        } catch (ExecutionException failed) {
            return failure(failed.getCause());
        }
    }

    private static String[] failure(Throwable cause) {
        if (cause instanceof Case.NotAvailable) {
            return new String[] {"n/a", cause.getMessage()};
        }
        if (cause instanceof Case.Failed) {
            return new String[] {"fail", cause.getMessage()};
        }
        cause.printStackTrace();
        return new String[] {"fail", String.valueOf(cause)};
    }

    private static String line(Case run, String name, String[] outcome) {
        StringBuilder seen = new StringBuilder();
        synchronized (run.seen) {
            run.seen.forEach((key, value) -> {
                seen.append(seen.length() == 0 ? "" : ",").append(quoted(key)).append(':').append(quoted(value));
            });
        }
        return "{\"case\":" + quoted(name) + ",\"outcome\":" + quoted(outcome[0]) + ",\"detail\":"
            + quoted(outcome[1]) + ",\"seen\":{" + seen + "}}";
    }

    static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char one : text.toCharArray()) {
            if (one == '"' || one == '\\') {
                quoted.append('\\').append(one);
            } else if (one < ' ') {
                quoted.append(String.format("\\u%04x", (int) one));
            } else {
                quoted.append(one);
            }
        }
        return quoted.append('"').toString();
    }
}
