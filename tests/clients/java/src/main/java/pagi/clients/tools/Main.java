package pagi.clients.tools;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import kafka.admin.ConfigCommand;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.tools.BrokerApiVersionsCommand;
import org.apache.kafka.tools.ClusterTool;
import org.apache.kafka.tools.ConsoleProducer;
import org.apache.kafka.tools.DeleteRecordsCommand;
import org.apache.kafka.tools.GetOffsetShell;
import org.apache.kafka.tools.LogDirsCommand;
import org.apache.kafka.tools.TopicCommand;
import org.apache.kafka.tools.consumer.ConsoleConsumer;
import org.apache.kafka.tools.consumer.group.ConsumerGroupCommand;
import pagi.clients.Case;
import pagi.clients.Runner;

/** Kafka's own command-line tools for the clients matrix: {@code Main BOOTSTRAP PREFIX CASE...}. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        if (arguments.length < 2) {
            System.err.println("usage: Main BOOTSTRAP PREFIX CASE...");
            System.exit(2);
        }
        Runner runner = new Runner("Kafka tools " + AppInfoParser.getVersion(), arguments[0], arguments[1]);
        runner.add("metadata", Main::metadata);
        runner.add("topics", Main::topics);
        runner.add("records", run -> records(run, "", "--command-property", "acks=all"));
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
            runner.add("codec-" + codec, run -> records(run, "", "--compression-codec", codec));
        }
        runner.add("idempotent", run -> records(run, "-flaky", "--message-send-max-retries", "100",
            "--command-property", "enable.idempotence=true", "--batch-size", "1000"));
        runner.add("group-resume", Main::resume);
        runner.add("offsets", Main::offsets);
        runner.add("groups-admin", Main::groups);
        runner.add("configs", Main::configs);
        runner.add("create-partitions", Main::createPartitions);
        runner.add("delete-records", Main::deleteRecords);
        runner.add("seek", Main::seek);
        runner.add("read-committed", Main::readCommitted);
        runner.add("unknown-topic", Main::unknownTopic);
        runner.add("cluster", Main::cluster);
        runner.add("acks", Main::acks);
        runner.run(Arrays.asList(arguments).subList(2, arguments.length));
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static Tool with(Case run, Tool.Entry tool, String stdin, String... more) {
        List<String> arguments = new ArrayList<>(List.of("--bootstrap-server", run.bootstrap));
        arguments.addAll(List.of(more));
        return Tool.run(tool, stdin, arguments.toArray(String[]::new));
    }

    /** What the tool says when it ends well; the case fails when it does not. */
    private static String ok(Case run, Tool.Entry tool, String... more) {
        Tool ended = with(run, tool, "", more);
        run.holds(List.of(more) + " ends well; it said: " + ended.said, ended.code == 0);
        return ended.said;
    }

    /** The tool must end badly and name the error. */
    private static void refused(Case run, String what, String wanted, Tool.Entry tool, String... more) {
        Tool ended = with(run, tool, "", more);
        run.saw(what, wanted + (ended.said.contains(wanted) ? "" : " is not named"));
        run.holds(what + " names " + wanted + ", but ended with " + ended.code + ": " + ended.said,
            ended.code != 0 && ended.said.contains(wanted));
    }

    private static void create(Case run, String topic, int partitions) {
        ok(run, TopicCommand::main, "--create", "--topic", topic, "--partitions", "" + partitions,
            "--replication-factor", "1");
    }

    private static List<String> lines(String topic, int count) {
        return IntStream.range(0, count)
            .mapToObj(i -> "name:" + topic + "|key-" + i + "|" + topic + " " + i + (i % 7 == 2 ? "" : " ünï"))
            .toList();
    }

    private static void produce(Case run, String topic, List<String> lines, String... more) {
        List<String> arguments = new ArrayList<>(List.of("--topic", topic,
            "--reader-property", "parse.key=true", "--reader-property", "key.separator=|",
            "--reader-property", "parse.headers=true", "--reader-property", "headers.delimiter=|"));
        arguments.addAll(List.of(more));
        Tool ended = with(run, ConsoleProducer::main, String.join("\n", lines) + "\n",
            arguments.toArray(String[]::new));
        run.holds("producing ends well; it said: " + ended.said, ended.code == 0 && !ended.said.contains("ERROR"));
    }

    private static List<String> consume(Case run, String topic, int count, String... more) {
        List<String> arguments = new ArrayList<>(List.of("--topic", topic, "--max-messages", "" + count,
            "--timeout-ms", "30000", "--formatter-property", "print.key=true", "--formatter-property",
            "print.headers=true", "--formatter-property", "key.separator=|", "--formatter-property",
            "headers.separator=,", "--command-property", "fetch.max.wait.ms=200"));
        arguments.addAll(List.of(more));
        String said = ok(run, ConsoleConsumer::main, arguments.toArray(String[]::new));
        return said.lines().filter(line -> !line.startsWith("Processed a total of")
            && !line.startsWith("The consumer rebalance protocol")).toList();
    }

    private static void records(Case run, String suffix, String... more) {
        String topic = run.topic(suffix);
        create(run, topic, 1);
        produce(run, topic, lines(topic, 500), more);
        run.equal("lines", consume(run, topic, 500, "--from-beginning"), lines(topic, 500));
        run.equal("end", offset(run, topic, "-1"), topic + ":0:500");
    }

    private static void resume(Case run) {
        String topic = run.topic("");
        create(run, topic, 1);
        produce(run, topic, lines(topic, 100));
        List<String> first = consume(run, topic, 60, "--group", run.group(), "--from-beginning");
        run.equal("the first 60", first, lines(topic, 100).subList(0, 60));
        List<String> rest = consume(run, topic, 40, "--group", run.group());
        run.equal("the other 40", rest, lines(topic, 100).subList(60, 100));
    }

    private static void seek(Case run) {
        String topic = run.topic("");
        create(run, topic, 1);
        produce(run, topic, lines(topic, 100));
        run.equal("from 90 on", consume(run, topic, 10, "--partition", "0", "--offset", "90"),
            lines(topic, 100).subList(90, 100));
    }

    private static void readCommitted(Case run) {
        String topic = run.topic("");
        create(run, topic, 1);
        produce(run, topic, lines(topic, 50));
        run.equal("lines", consume(run, topic, 50, "--from-beginning", "--isolation-level", "read_committed"),
            lines(topic, 50));
    }

    private static void acks(Case run) throws Exception {
        String topic = run.topic("");
        create(run, topic, 1);
        for (int part = 0; part < 3; part++) {
            String level = List.of("0", "1", "-1").get(part);
            produce(run, topic, lines(topic, 10), "--request-required-acks", level);
            String wanted = topic + ":0:" + (part + 1) * 10;
            run.until("the records are there", () -> offset(run, topic, "-1").equals(wanted));
        }
    }

    private static void metadata(Case run) {
        String topic = run.topic("");
        create(run, topic, 3);
        String described = ok(run, TopicCommand::main, "--describe", "--topic", topic);
        run.holds("three partitions: " + described, described.contains("PartitionCount: 3"));
        long led = described.lines().filter(line -> line.matches(".*Partition: \\d\\s+Leader: \\d+\\s.*")).count();
        run.equal("partitions with a leader", led, 3L);
        String versions = ok(run, BrokerApiVersionsCommand::main);
        run.holds("the broker's versions: " + versions, versions.startsWith(run.bootstrap)
            && versions.contains("Produce(0): 0 to ") && versions.contains("ApiVersions(18): 0 to "));
    }

    private static void topics(Case run) throws Exception {
        String topic = run.topic("");
        create(run, topic, 2);
        run.until("is listed", () -> listed(run, topic));
        refused(run, "again", "already exists", TopicCommand::main, "--create", "--topic", topic);
        refused(run, "three replicas", "eplication factor", TopicCommand::main, "--create",
            "--topic", run.topic("-three"), "--replication-factor", "3");
        ok(run, TopicCommand::main, "--create", "--if-not-exists", "--topic", topic);
        ok(run, TopicCommand::main, "--delete", "--topic", topic);
        run.until("is gone", () -> !listed(run, topic));
    }

    private static boolean listed(Case run, String topic) {
        return ok(run, TopicCommand::main, "--list").lines().anyMatch(topic::equals);
    }

    private static void unknownTopic(Case run) {
        refused(run, "describe", "does not exist", TopicCommand::main, "--describe", "--topic", run.topic("-none"));
        refused(run, "delete", "does not exist", TopicCommand::main, "--delete", "--topic", run.topic("-none"));
        ok(run, TopicCommand::main, "--describe", "--if-exists", "--topic", run.topic("-none"));
    }

    private static void createPartitions(Case run) throws Exception {
        String topic = run.topic("");
        create(run, topic, 1);
        ok(run, TopicCommand::main, "--alter", "--topic", topic, "--partitions", "4");
        run.until("four partitions", () -> ok(run, TopicCommand::main, "--describe", "--topic", topic)
            .contains("PartitionCount: 4"));
        refused(run, "fewer", "partition", TopicCommand::main, "--alter", "--topic", topic,
            "--partitions", "2");
    }

    private static String offset(Case run, String topic, String time) {
        return ok(run, GetOffsetShell::main, "--topic-partitions", topic + ":0", "--time", time).trim();
    }

    private static void offsets(Case run) {
        String topic = run.topic("");
        create(run, topic, 1);
        produce(run, topic, lines(topic, 20));
        run.equal("earliest", offset(run, topic, "earliest"), topic + ":0:0");
        run.equal("latest", offset(run, topic, "latest"), topic + ":0:20");
        run.equal("at time 0", offset(run, topic, "0"), topic + ":0:0");
        run.saw("after all", offset(run, topic, "9999999999999").replace(topic, "topic"));
        String latest = offset(run, topic, "max-timestamp");
        run.holds("latest timestamp: " + latest, Pattern.matches(Pattern.quote(topic) + ":0:\\d+", latest));
        refused(run, "unknown topic", "Could not match any topic-partitions", GetOffsetShell::main,
            "--topic", run.topic("-none"));
    }

    private static void deleteRecords(Case run) throws Exception {
        String topic = run.topic("");
        create(run, topic, 1);
        produce(run, topic, lines(topic, 100));
        String said = deleteBefore(run, topic, 40).said;
        run.holds("low watermark: " + said, said.contains("low_watermark: 40"));
        run.equal("earliest", offset(run, topic, "earliest"), topic + ":0:40");
        run.equal("what is left", consume(run, topic, 60, "--from-beginning"), lines(topic, 100).subList(40, 100));
        Tool beyond = deleteBefore(run, topic, 200);
        run.saw("beyond the end", beyond.said.contains("OffsetOutOfRangeException"));
        run.holds("beyond the end is refused: " + beyond.said, beyond.said.contains("OffsetOutOfRangeException"));
    }

    private static Tool deleteBefore(Case run, String topic, long offset) throws Exception {
        Path file = Files.createTempFile("delete-records", ".json");
        try {
            Files.writeString(file, "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic
                + "\",\"partition\":0,\"offset\":" + offset + "}]}");
            return with(run, DeleteRecordsCommand::main, "", "--offset-json-file", file.toString());
        } finally {
            Files.delete(file);
        }
    }

    private static Tool alter(Case run, String... more) {
        List<String> arguments = new ArrayList<>(List.of("--alter", "--entity-type", "topics", "--entity-name",
            run.topic("")));
        arguments.addAll(List.of(more));
        return with(run, ConfigCommand::main, "", arguments.toArray(String[]::new));
    }

    private static String described(Case run, String... more) {
        List<String> arguments = new ArrayList<>(List.of("--describe", "--entity-type", "topics", "--entity-name",
            run.topic("")));
        arguments.addAll(List.of(more));
        return ok(run, ConfigCommand::main, arguments.toArray(String[]::new));
    }

    private static void configs(Case run) throws Exception {
        create(run, run.topic(""), 1);
        for (String name : List.of("retention.ms", "segment.bytes", "max.message.bytes", "cleanup.policy")) {
            run.saw(name, described(run, "--all").lines().map(String::trim)
                .filter(line -> line.startsWith(name + "=")).map(line -> line.split(" ")[0])
                .collect(Collectors.joining()));
        }
        Tool set = alter(run, "--add-config", "retention.ms=120000,segment.bytes=2097152");
        run.holds("two settings are set: " + set.said, set.code == 0);
        run.until("both are described", () -> described(run).contains("retention.ms=120000 ")
            && described(run).contains("segment.bytes=2097152 "));
        for (String bad : List.of("retention.ms=soon", "cleanup.policy=shred", "no.such.setting=1")) {
            Tool refused = alter(run, "--add-config", bad);
            run.saw(bad, refused.said.contains("InvalidConfigurationException"));
            run.holds(bad + " is refused: " + refused.said,
                refused.code != 0 && refused.said.contains("InvalidConfigurationException"));
        }
        Tool unset = alter(run, "--delete-config", "retention.ms");
        run.holds("a setting is taken back: " + unset.said, unset.code == 0);
        run.until("it is gone", () -> !described(run).contains("retention.ms"));
        run.holds("the other one is kept", described(run).contains("segment.bytes=2097152 "));
    }

    private static void cluster(Case run) {
        String id = Tool.run(ClusterTool::main, "", "cluster-id", "--bootstrap-server", run.bootstrap).said;
        run.holds("an id: " + id, Pattern.compile("Cluster ID: \\S+").matcher(id).find());
        create(run, run.topic(""), 1);
        String folders = ok(run, LogDirsCommand::main, "--describe", "--topic-list", run.topic(""));
        run.holds("the topic is in a log folder: " + folders,
            folders.contains("\"partition\":\"" + run.topic("") + "-0\""));
    }

    private static String group(Case run, String... more) {
        return ok(run, ConsumerGroupCommand::main, more);
    }

    private static void groups(Case run) {
        String topic = run.topic("");
        create(run, topic, 1);
        produce(run, topic, lines(topic, 50));
        consume(run, topic, 30, "--group", run.group(), "--from-beginning");
        run.holds("is listed", group(run, "--list").lines().anyMatch(run.group()::equals));
        String states = group(run, "--list", "--state", "Empty");
        run.holds("is listed as empty: " + states, states.contains(run.group()));
        String mine = group(run, "--describe", "--group", run.group());
        run.holds("offset, end and lag: " + mine, Pattern.compile(topic + "\\s+0\\s+30\\s+50\\s+20\\s").matcher(mine).find());
        String state = group(run, "--describe", "--group", run.group(), "--state");
        run.holds("empty: " + state, state.contains("Empty"));
        String reset = group(run, "--reset-offsets", "--group", run.group(), "--topic", topic, "--to-offset", "10",
            "--execute");
        run.holds("reset: " + reset, Pattern.compile(topic + "\\s+0\\s+10").matcher(reset).find());
        List<String> rest = consume(run, topic, 40, "--group", run.group());
        run.equal("after the reset", rest, lines(topic, 50).subList(10, 50));
        group(run, "--delete-offsets", "--group", run.group(), "--topic", topic);
        String without = group(run, "--describe", "--group", run.group());
        run.holds("no offset is left: " + without, !Pattern.compile(topic + "\\s+0\\s+50").matcher(without).find());
        String deleted = group(run, "--delete", "--group", run.group());
        run.holds("deleted: " + deleted, deleted.contains("successful"));
        run.holds("is no longer listed", group(run, "--list").lines().noneMatch(run.group()::equals));
        Tool gone = with(run, ConsumerGroupCommand::main, "", "--describe", "--group", run.group());
        run.saw("describe a deleted group", gone.said.contains("does not exist"));
    }
}
