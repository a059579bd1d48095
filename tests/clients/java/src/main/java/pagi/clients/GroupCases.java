package pagi.clients;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Consumer groups, by their members and by the admin. */
final class GroupCases {
    private GroupCases() {}

    static void addTo(Runner runner) {
        runner.add("group-resume", GroupCases::resume);
        runner.add("group-rebalance", run -> rebalance(run, false));
        runner.add("group-cooperative", run -> rebalance(run, true));
        runner.add("group-static", GroupCases::keepsItsPlace);
        runner.add("groups-admin", GroupCases::admin);
    }

    /** Waits until the members share all partitions evenly. */
    private static void untilShared(Case run, int partitions, Member... members) throws Exception {
        run.until(partitions + " partitions shared by " + members.length, () -> {
            Set<Integer> all = new HashSet<>();
            for (Member member : members) {
                if (member.failed() != null) {
                    throw member.failed();
                }
                if (member.assigned().size() != partitions / members.length) {
                    return false;
                }
                all.addAll(member.assigned());
            }
            return all.size() == partitions;
        });
    }

    private static Map<TopicPartition, OffsetAndMetadata> at(TopicPartition place, long offset) {
        return Map.of(place, new OffsetAndMetadata(offset, "noted"));
    }

    private static Map<TopicPartition, OffsetAndMetadata> committed(Case run) throws Exception {
        return Case.get(run.admin().listConsumerGroupOffsets(run.group()).partitionsToOffsetAndMetadata());
    }

    private static void resume(Case run) throws Exception {
        String topic = run.topic("");
        TopicPartition place = new TopicPartition(topic, 0);
        run.create(topic, 1, Map.of());
        List<ProducerRecord<byte[], byte[]>> sent = Records.fill(run, topic, 100);
        Member first = Member.join(run, topic, Map.of());
        run.until("100 records", () -> first.records().size() >= 100);
        Records.same(run, first.records(), sent, 0);
        first.commit(at(place, 60));
        first.close();
        run.equal("committed", committed(run), at(place, 60));
        Member second = Member.join(run, topic, Map.of());
        run.until("40 records", () -> second.records().size() >= 40);
        Records.same(run, second.records(), sent.subList(60, 100), 60);
        second.close();
    }

    private static void rebalance(Case run, boolean cooperative) throws Exception {
        String topic = run.topic("");
        run.create(topic, 4, Map.of());
        Map<String, Object> settings = cooperative
            ? Map.of("partition.assignment.strategy", CooperativeStickyAssignor.class.getName()) : Map.of();
        Member first = Member.join(run, topic, settings);
        untilShared(run, 4, first);
        Member second = Member.join(run, topic, settings);
        untilShared(run, 4, first, second);
        int lost = first.lost();
        run.equal("partitions that the first had to give up", lost, cooperative ? 2 : 4);
        second.close();
        untilShared(run, 4, first);
        run.equal("then", first.lost(), cooperative ? 2 : 6);
        List<ProducerRecord<byte[], byte[]>> sent = Records.plain(topic, 80, 4);
        Records.send(Records.producer(run, Map.of()), sent);
        run.until("80 records", () -> first.records().size() >= 80);
        for (int partition = 0; partition < 4; partition++) {
            int number = partition;
            List<ConsumerRecord<byte[], byte[]>> mine = new ArrayList<>(first.records());
            mine.removeIf(record -> record.partition() != number);
            Records.same(run, mine, sent.stream().filter(record -> record.partition() == number).toList(), 0);
        }
        first.close();
    }

    private static void keepsItsPlace(Case run) throws Exception {
        String topic = run.topic("");
        run.create(topic, 2, Map.of());
        Map<String, Object> one = Map.of("group.instance.id", "one");
        Member first = Member.join(run, topic, one);
        untilShared(run, 2, first);
        Member second = Member.join(run, topic, Map.of("group.instance.id", "two"));
        untilShared(run, 2, first, second);
        Set<Integer> mine = first.assigned();
        int lost = second.lost();
        first.close();
        Member again = Member.join(run, topic, one);
        untilShared(run, 2, again, second);
        run.equal("assignment after coming back", again.assigned(), mine);
        run.equal("partitions taken from the other meanwhile", second.lost(), lost);
        Member usurper = Member.join(run, topic, one);
        run.until("the former member is fenced", () -> again.failed() != null);
        run.refused("fenced", "FENCED_INSTANCE_ID", () -> {
            throw again.failed();
        });
        untilShared(run, 2, usurper, second);
        usurper.close();
        second.close();
    }

    private static boolean listed(Case run) throws Exception {
        return Case.get(run.admin().listConsumerGroups().all()).stream()
            .map(ConsumerGroupListing::groupId).anyMatch(run.group()::equals);
    }

    private static ConsumerGroupDescription described(Case run) throws Exception {
        return Case.get(run.admin().describeConsumerGroups(List.of(run.group())).all()).get(run.group());
    }

    /** The state by the name that both 3.9 and 4.x have for it. */
    @SuppressWarnings("deprecation")
    private static String state(ConsumerGroupDescription group) {
        return String.valueOf(group.state());
    }

    private static void admin(Case run) throws Exception {
        String topic = run.topic("");
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        run.create(topic, 2, Map.of());
        Records.fill(run, topic, 10);
        Member member = Member.join(run, topic, Map.of());
        untilShared(run, 2, member);
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>(at(zero, 7));
        offsets.putAll(at(one, 0));
        member.commit(offsets);
        run.holds("the group is listed", listed(run));
        ConsumerGroupDescription group = described(run);
        run.saw("group", state(group) + " " + group.partitionAssignor() + " " + group.isSimpleConsumerGroup());
        run.holds("a coordinator with an id", group.coordinator().id() >= 0);
        run.equal("members", group.members().size(), 1);
        group.members().forEach(only -> {
            run.equal("client id", only.clientId(), Case.CLIENT_ID);
            run.equal("assignment", only.assignment().topicPartitions(), Set.of(zero, one));
            run.saw("host begins with a slash", only.host().startsWith("/"));
        });
        Admin admin = run.admin();
        run.refused("delete a group with members", "NON_EMPTY_GROUP",
            () -> Case.get(admin.deleteConsumerGroups(List.of(run.group())).all()));
        run.refused("delete an offset in use", "GROUP_SUBSCRIBED_TO_TOPIC",
            () -> Case.get(admin.deleteConsumerGroupOffsets(run.group(), Set.of(one)).all()));
        member.close();
        run.until("the group is empty", () -> described(run).members().isEmpty());
        run.saw("without members", state(described(run)));
        offsetsOfGroup(run, offsets, zero, one);
        Case.get(admin.deleteConsumerGroups(List.of(run.group())).all());
        run.holds("the group is no longer listed", !listed(run));
        run.refused("delete again", "GROUP_ID_NOT_FOUND",
            () -> Case.get(admin.deleteConsumerGroups(List.of(run.group())).all()));
        try {
            run.saw("describe a deleted group", state(described(run)));
        } catch (Exception gone) {
            run.saw("describe a deleted group", Case.code(gone));
        }
    }

    private static void offsetsOfGroup(Case run, Map<TopicPartition, OffsetAndMetadata> offsets,
        TopicPartition zero, TopicPartition one) throws Exception {
        run.equal("committed", committed(run), offsets);
        Case.get(run.admin().deleteConsumerGroupOffsets(run.group(), Set.of(one)).all());
        run.equal("committed after one was deleted", committed(run), at(zero, 7));
        Case.get(run.admin().alterConsumerGroupOffsets(run.group(), at(one, 3)).all());
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>(at(zero, 7));
        wanted.putAll(at(one, 3));
        run.equal("committed after one was altered", committed(run), wanted);
    }
}
