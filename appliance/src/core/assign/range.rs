//! `range`: for each topic by itself, the members in their order get its partitions in theirs.
//!
//! Every Kafka client offers it, so that members of different kinds can share a group. Static
//! members come first, by their names: one that restarts gets what it had.
use super::group::{Assignment, Counts, Member, nothing};

/// What clients call it.
pub const NAME: &str = "range";

/// Assigns all partitions of the topics that anybody wants.
#[must_use]
pub fn assign(members: &[Member], counts: &Counts) -> Assignment {
    let mut order: Vec<&Member> = members.iter().collect();
    order.sort_by_key(|member| {
        (member.instance_id.is_none(), member.instance_id.as_ref(), member.id.as_str())
    });
    let mut assignment = nothing(members);
    for (topic, count) in counts {
        let takers: Vec<&str> =
            order.iter().filter(|m| m.topics.contains(topic)).map(|m| m.id.as_str()).collect();
        let Ok(all) = usize::try_from(*count) else { continue };
        let Some(each) = all.checked_div(takers.len()) else { continue };
        let one_more = all % takers.len();
        let mut partitions = 0..*count;
        for (n, id) in takers.into_iter().enumerate() {
            let share = each + usize::from(n < one_more);
            let partitions = partitions.by_ref().take(share).map(|p| (topic.clone(), p));
            assignment.entry(id.to_owned()).or_default().extend(partitions);
        }
    }
    assignment
}

#[cfg(test)]
mod tests {
    use super::super::group::Place;
    use super::*;

    fn member(id: &str, instance_id: Option<&str>, topics: &[&str]) -> Member {
        Member {
            id: id.to_owned(),
            instance_id: instance_id.map(str::to_owned),
            topics: topics.iter().map(ToString::to_string).collect(),
            ..Member::default()
        }
    }

    fn counts(topics: &[(&str, i32)]) -> Counts {
        topics.iter().map(|(topic, count)| (topic.to_string(), *count)).collect()
    }

    fn places(topic: &str, partitions: std::ops::Range<i32>) -> Vec<Place> {
        partitions.map(|partition| (topic.to_owned(), partition)).collect()
    }

    fn of(assignment: &Assignment, id: &str) -> Vec<Place> {
        assignment[id].iter().cloned().collect()
    }

    #[test]
    fn the_first_members_get_one_more() {
        let members = [member("b", None, &["t"]), member("a", None, &["t"])];
        let assignment = assign(&members, &counts(&[("t", 5), ("unwanted", 9)]));
        assert_eq!(of(&assignment, "a"), places("t", 0..3));
        assert_eq!(of(&assignment, "b"), places("t", 3..5));
    }

    #[test]
    fn static_members_come_first_by_their_names() {
        let members = [
            member("1", None, &["t"]),
            member("2", Some("second"), &["t"]),
            member("3", Some("first"), &["t"]),
        ];
        let assignment = assign(&members, &counts(&[("t", 3)]));
        assert_eq!(of(&assignment, "3"), places("t", 0..1));
        assert_eq!(of(&assignment, "2"), places("t", 1..2));
        assert_eq!(of(&assignment, "1"), places("t", 2..3));
    }

    #[test]
    fn a_member_gets_only_what_it_wants_and_perhaps_nothing() {
        let members = [member("a", None, &["t"]), member("b", None, &["u", "gone"])];
        let assignment = assign(&members, &counts(&[("t", 1), ("u", 1)]));
        assert_eq!(of(&assignment, "a"), places("t", 0..1));
        assert_eq!(of(&assignment, "b"), places("u", 0..1));
        let members = [member("a", None, &["t"]), member("b", None, &["t"])];
        assert_eq!(of(&assign(&members, &counts(&[("t", 1)])), "b"), []);
    }
}
