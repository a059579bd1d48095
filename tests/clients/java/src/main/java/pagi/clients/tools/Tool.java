package pagi.clients.tools;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.utils.Exit;

/** One run of one of Kafka's command-line tools inside this process, one at a time. */
final class Tool {
    /** The exit code. */
    final int code;
    /** Both outputs. */
    final String said;

    /** Instead of the end of the process. */
    private static final class Ended extends Error {
        private static final long serialVersionUID = 1;
    }

    /** A tool's main method. */
    interface Entry {
        void main(String[] arguments) throws Exception;
    }

    private Tool(int code, String said) {
        this.code = code;
        this.said = said;
    }

    static synchronized Tool run(Entry entry, String stdin, String... arguments) {
        InputStream in = System.in;
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        // A tool that exits inside of a try may catch that and go on: the first exit counts.
        AtomicReference<Tool> first = new AtomicReference<>();
        Exit.setExitProcedure((code, message) -> {
            first.compareAndSet(null, new Tool(code, said.toString(StandardCharsets.UTF_8)));
            throw new Ended();
        });
        List<Runnable> hooks = new ArrayList<>();
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        try (PrintStream both = new PrintStream(said, true, StandardCharsets.UTF_8)) {
            System.setIn(new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8)));
            System.setOut(both);
            System.setErr(both);
            entry.main(arguments);
        } catch (Ended ended) {
            // What it said and its code are kept already.
        } catch (Exception thrown) {
            first.compareAndSet(null, new Tool(1, said.toString(StandardCharsets.UTF_8) + thrown));
        } finally {
            hooks.forEach(Runnable::run);
            System.setIn(in);
            System.setOut(out);
            System.setErr(err);
        }
        first.compareAndSet(null, new Tool(0, said.toString(StandardCharsets.UTF_8)));
        return first.get();
    }
}
