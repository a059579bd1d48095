package matrix

import (
	"fmt"
	"slices"
)

func (t *T) member(group, topic string, options MemberOptions) Member {
	member, err := t.Client.Member(group, topic, options)
	t.Check(err, "make a group member")
	return member
}

// untilAssigned waits until the members have so many partitions each, all of them together.
func (t *T) untilAssigned(partitions int, members ...Member) {
	t.Until(fmt.Sprintf("%d partitions shared by %d members", partitions, len(members)), func() bool {
		all := []int32{}
		for _, member := range members {
			t.Check(member.Failed(), "group member")
			mine := member.Assigned()
			if len(mine) != partitions/len(members) {
				return false
			}
			all = append(all, mine...)
		}
		slices.Sort(all)
		return len(slices.Compact(all)) == partitions
	})
}

// spread makes records for all partitions in turn.
func spread(name string, count, partitions int) []Record {
	records := Plain(name, count)
	for i := range records {
		records[i].Partition = int32(i % partitions)
	}
	return records
}

// exactly ends the case unless these are records first.. of their partitions, each once, in order.
func (t *T) exactly(got, sent []Record) {
	next := map[int32]int{}
	byPartition := map[int32][]Record{}
	for _, record := range sent {
		byPartition[record.Partition] = append(byPartition[record.Partition], record)
	}
	for _, record := range got {
		wanted := byPartition[record.Partition]
		index := next[record.Partition]
		if index >= len(wanted) || !same(wanted[index].Value, record.Value) {
			t.Failf("partition %d gave %q as record %d", record.Partition, record.Value, index)
		}
		next[record.Partition]++
	}
	t.Equal("number of records", len(got), len(sent))
}

func groupResume(t *T) {
	topic, group := t.Topic(""), t.Group("")
	t.Create(topic, 1, nil)
	sent := t.Fill(topic, 100)
	first := t.member(group, topic, MemberOptions{})
	t.SameRecords(t.ReadOn(first, 100), sent, 0)
	t.Check(first.Commit(t.Ctx, map[int32]int64{0: 60}), "commit")
	first.Close()
	committed, err := t.Client.Committed(t.Ctx, group, topic)
	if Available(err) {
		t.Check(err, "committed offsets")
		t.Equal("committed", committed[0], 60)
	}
	second := t.member(group, topic, MemberOptions{})
	defer second.Close()
	t.SameRecords(t.ReadOn(second, 40), sent[60:], 60)
	t.Seen("resumed at", 60)
}

func groupRebalance(t *T) {
	topic, group := t.Topic(""), t.Group("")
	t.Create(topic, 4, nil)
	first := t.member(group, topic, MemberOptions{})
	defer first.Close()
	t.untilAssigned(4, first)
	second := t.member(group, topic, MemberOptions{})
	t.untilAssigned(4, first, second)
	second.Close()
	t.untilAssigned(4, first)
	sent := spread(topic, 80, 4)
	t.Produce(topic, sent, ProduceOptions{Acks: -1})
	t.exactly(t.ReadOn(first, 80), sent)
}

func groupCooperative(t *T) {
	topic, group := t.Topic(""), t.Group("")
	t.Create(topic, 4, nil)
	first := t.member(group, topic, MemberOptions{Cooperative: true})
	defer first.Close()
	t.untilAssigned(4, first)
	before := first.Assigned()
	second := t.member(group, topic, MemberOptions{Cooperative: true})
	t.untilAssigned(4, first, second)
	t.Equal("partitions that the first had to give up", first.Lost(), 2)
	for _, kept := range first.Assigned() {
		t.Equal("kept what it had", slices.Contains(before, kept), true)
	}
	second.Close()
	t.untilAssigned(4, first)
	t.Equal("partitions that the first had to give up in the end", first.Lost(), 2)
	sent := spread(topic, 80, 4)
	t.Produce(topic, sent, ProduceOptions{Acks: -1})
	t.exactly(t.ReadOn(first, 80), sent)
}

// groupStatic lets a member come back under its name, and then fences it by another of that name.
func groupStatic(t *T) {
	topic, group := t.Topic(""), t.Group("")
	t.Create(topic, 2, nil)
	one, two := MemberOptions{InstanceID: "one"}, MemberOptions{InstanceID: "two"}
	first := t.member(group, topic, one)
	t.untilAssigned(2, first)
	second := t.member(group, topic, two)
	defer second.Close()
	t.untilAssigned(2, first, second)
	mine, lost := first.Assigned(), second.Lost()
	first.Close()
	again := t.member(group, topic, one)
	defer again.Close()
	t.untilAssigned(2, again, second)
	t.Equal("assignment after coming back", again.Assigned(), mine)
	t.Equal("partitions taken from the other meanwhile", second.Lost(), lost)
	usurper := t.member(group, topic, one)
	defer usurper.Close()
	t.Until("the former member is fenced", func() bool { return again.Failed() != nil })
	t.Refused("fenced", again.Failed(), "FENCED_INSTANCE_ID")
	t.untilAssigned(2, usurper, second)
}

func groupsAdmin(t *T) {
	topic, group := t.Topic(""), t.Group("")
	t.Create(topic, 2, nil)
	t.Fill(topic, 10)
	member := t.member(group, topic, MemberOptions{})
	t.untilAssigned(2, member)
	t.Check(member.Commit(t.Ctx, map[int32]int64{0: 7, 1: 0}), "commit")
	listed, err := t.Client.ListGroups(t.Ctx)
	t.Check(err, "list groups")
	t.Equal("is listed", slices.Contains(listed, group), true)
	t.Until("the group is stable", func() bool {
		found, err := t.Client.DescribeGroup(t.Ctx, group)
		return err == nil && found.State == "Stable" && found.Members == 1
	})
	found, err := t.Client.DescribeGroup(t.Ctx, group)
	t.Check(err, "describe the group")
	t.Seen("protocol", found.ProtocolType+" "+found.Protocol)
	t.Equal("client ids", found.Clients, []string{ClientID})
	t.Refused("delete a group with members", t.Client.DeleteGroup(t.Ctx, group), "NON_EMPTY_GROUP")
	member.Close()
	t.Until("the group is empty", func() bool {
		found, err := t.Client.DescribeGroup(t.Ctx, group)
		return err == nil && found.State == "Empty"
	})
	committedOffsets(t, group, topic)
	t.Check(t.Client.DeleteGroup(t.Ctx, group), "delete the group")
	listed, err = t.Client.ListGroups(t.Ctx)
	t.Check(err, "list groups")
	t.Equal("is still listed", slices.Contains(listed, group), false)
	t.Refused("delete again", t.Client.DeleteGroup(t.Ctx, group), "GROUP_ID_NOT_FOUND")
	found, err = t.Client.DescribeGroup(t.Ctx, group)
	t.Seen("describe a deleted group", found.State+" "+CodeOf(err))
}

func committedOffsets(t *T, group, topic string) {
	committed, err := t.Client.Committed(t.Ctx, group, topic)
	if Available(err) {
		t.Check(err, "committed offsets")
		t.Equal("committed", committed, map[int32]int64{0: 7, 1: 0})
	}
	err = t.Client.DeleteCommitted(t.Ctx, group, topic, 1)
	if !Available(err) {
		return
	}
	t.Check(err, "delete a committed offset")
	committed, err = t.Client.Committed(t.Ctx, group, topic)
	t.Check(err, "committed offsets")
	t.Equal("committed after one was deleted", committed, map[int32]int64{0: 7})
}

// ClientID that all clients give.
const ClientID = "pagi-matrix"
