package pagi.clients;

import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.utils.AppInfoParser;

/** The Java client for the clients matrix: {@code Main BOOTSTRAP PREFIX CASE...}. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        if (arguments.length < 2) {
            System.err.println("usage: Main BOOTSTRAP PREFIX CASE...");
            System.exit(2);
        }
        List<String> cases = Arrays.asList(arguments).subList(2, arguments.length);
        Runner runner = new Runner("Java kafka-clients " + AppInfoParser.getVersion(), arguments[0], arguments[1]);
        RecordCases.addTo(runner);
        GroupCases.addTo(runner);
        AdminCases.addTo(runner);
        runner.run(cases);
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
