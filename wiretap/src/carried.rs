//! What a broker makes up, carried from its answers into later requests: the ids of members and
//! topics, generations, producer ids and fetch sessions.
//!
//! A recording has those of the broker that it was made with. Said again, a request must have
//! those of the broker that it is said to: what the new answer has at the place of the recorded one.
//!
//! **Invariants.** Only what is named in lists is learned, so an answer whose list is ordered
//! otherwise teaches nothing wrong. Record batches keep the producer id that they were recorded
//! with: brokers take batches of a producer that they do not know.
use std::collections::HashMap;

use pagi_protocol::kafka::walk::{Leaf, Step, Walk, Walker};
use pagi_protocol::kafka::wire::Uuid;

use crate::fields::{Field, Value};

/// What kinds of things a broker makes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Member,
    Generation,
    Topic,
    Producer,
    Session,
}

fn kind(name: &str) -> Option<Kind> {
    match name {
        "member_id" | "leader" => Some(Kind::Member),
        "generation_id" | "generation_id_or_member_epoch" => Some(Kind::Generation),
        "topic_id" => Some(Kind::Topic),
        "producer_id" => Some(Kind::Producer),
        "session_id" => Some(Kind::Session),
        _ => None,
    }
}

/// What is known of the new broker's inventions.
#[derive(Debug, Default)]
pub struct Carried {
    /// By the kind, the group that it is of, and what was recorded.
    new: HashMap<(Kind, String, Value), Value>,
}

impl Carried {
    /// Learns from the fields of an answer, of which the recorded one is known. `group` is the
    /// request's group, or empty.
    pub fn learn(&mut self, group: &str, recorded: &[Field], new: &[Field]) {
        let new: HashMap<_, _> = new.iter().map(|field| (&field.path, &field.value)).collect();
        for field in recorded.iter().filter(|field| field.is_named) {
            let Some(kind) = kind(field.name) else { continue };
            if let Some(value) = new.get(&field.path)
                && std::mem::discriminant(*value) == std::mem::discriminant(&field.value)
            {
                let key = (kind, scope(kind, group), field.value.clone());
                self.new.insert(key, (*value).clone());
            }
        }
    }

    /// Puts into a request what is known; says whether that changed it.
    pub fn apply(&self, group: &str, request: &mut impl Walk) -> bool {
        let mut writer = Writer { carried: self, group, name: Vec::new(), changed: false };
        request.walk(&mut writer);
        writer.changed
    }
}

/// Generations are counted by each group for itself.
fn scope(kind: Kind, group: &str) -> String {
    if kind == Kind::Generation { group.to_owned() } else { String::new() }
}

struct Writer<'a> {
    carried: &'a Carried,
    group: &'a str,
    name: Vec<Step>,
    changed: bool,
}

impl Writer<'_> {
    fn known(&self, value: &Value) -> Option<&Value> {
        let Some(Step::Field(name)) = self.name.last() else { return None };
        let kind = kind(name)?;
        let new = self.carried.new.get(&(kind, scope(kind, self.group), value.clone()))?;
        (new != value).then_some(new)
    }
}

impl Walker for Writer<'_> {
    fn enter(&mut self, step: Step) {
        self.name.push(step);
    }

    fn leaf(&mut self, leaf: Leaf<'_>) {
        let changed = match leaf {
            Leaf::Text(text) => match self.known(&Value::Text(text.clone())) {
                Some(Value::Text(new)) => {
                    new.clone_into(text);
                    true
                }
                _ => false,
            },
            Leaf::Uuid(id) => match self.known(&Value::Id(id.0)) {
                Some(Value::Id(new)) => {
                    *id = Uuid(*new);
                    true
                }
                _ => false,
            },
            Leaf::I32(number) => match self.known(&Value::Number((*number).into())) {
                Some(Value::Number(new)) => i32::try_from(*new).is_ok_and(|new| {
                    *number = new;
                    true
                }),
                _ => false,
            },
            Leaf::I64(number) => match self.known(&Value::Number(*number)) {
                Some(Value::Number(new)) => {
                    *number = *new;
                    true
                }
                _ => false,
            },
            _ => false,
        };
        self.changed |= changed;
    }

    fn leave(&mut self) {
        self.name.pop();
    }
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::messages::fetch::{FetchRequest, FetchTopic};
    use pagi_protocol::kafka::messages::heartbeat::HeartbeatRequest;
    use pagi_protocol::kafka::messages::join_group::JoinGroupResponse;
    use pagi_protocol::kafka::messages::metadata::{MetadataResponse, MetadataTopic};

    use super::*;
    use crate::fields;

    fn joined(member_id: &str, generation_id: i32) -> Vec<Field> {
        let member_id = member_id.to_owned();
        fields::of(&mut JoinGroupResponse { member_id, generation_id, ..Default::default() })
    }

    fn heartbeat(group_id: &str) -> HeartbeatRequest {
        HeartbeatRequest {
            group_id: group_id.to_owned(),
            generation_id: 1,
            member_id: "old".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn a_member_goes_on_as_the_one_that_the_new_broker_knows() {
        let mut carried = Carried::default();
        carried.learn("a", &joined("old", 1), &joined("new", 5));
        let mut request = heartbeat("a");
        assert!(carried.apply("a", &mut request));
        assert_eq!((request.member_id.as_str(), request.generation_id), ("new", 5));
        let mut other = heartbeat("b");
        assert!(carried.apply("b", &mut other));
        assert_eq!((other.member_id.as_str(), other.generation_id), ("new", 1));
        assert!(!Carried::default().apply("a", &mut heartbeat("a")));
    }

    #[test]
    fn topics_are_known_by_their_names_whatever_their_order() {
        let answer = |topics: [(&str, u8); 2]| {
            let topic = |(name, id): (&str, u8)| MetadataTopic {
                name: Some(name.to_owned()),
                topic_id: Uuid([id; 16]),
                ..Default::default()
            };
            let topics = topics.map(topic).to_vec();
            fields::of(&mut MetadataResponse { topics, ..Default::default() })
        };
        let mut carried = Carried::default();
        carried.learn("", &answer([("a", 1), ("b", 2)]), &answer([("b", 20), ("a", 10)]));
        let topic = |id| FetchTopic { topic_id: Uuid([id; 16]), ..Default::default() };
        let mut request = FetchRequest { topics: vec![topic(1), topic(2)], ..Default::default() };
        assert!(carried.apply("", &mut request));
        assert_eq!(request.topics, [topic(10), topic(20)]);
    }
}
