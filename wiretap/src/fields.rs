//! A message as a flat list of its fields, each with its path.
//!
//! **Invariants.** Elements of lists are named by what they are about (a topic, a partition), so
//! that answers can be compared whose lists are ordered otherwise; by their place where they have
//! no such name.
use std::collections::HashMap;

use pagi_protocol::kafka::walk::{Leaf, Step, Walk, Walker};

/// Fields that say what an element is about, if it has one of them.
const NAMES: [&str; 12] = [
    "name",
    "topic",
    "group_id",
    "partition_index",
    "partition",
    "index",
    "resource_name",
    "key",
    "api_key",
    "node_id",
    "broker_id",
    "producer_id",
];

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its place, as in `topics[orders].partitions[0].error_code`.
    pub path: String,
    /// The last part of the path.
    pub name: &'static str,
    /// Whether every list on the way names its elements.
    pub is_named: bool,
    /// What it holds.
    pub value: Value,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number, or yes or no as 1 or 0.
    Number(i64),
    /// An id.
    Id([u8; 16]),
    /// A text.
    Text(String),
    /// So many bytes.
    Bytes(usize),
    /// A list of so many elements.
    List(usize),
    /// Nothing.
    Null,
}

/// All fields of a message, in their order.
pub fn of(message: &mut impl Walk) -> Vec<Field> {
    let mut collector = Collector::default();
    message.walk(&mut collector);
    let Collector { found, elements, .. } = collector;
    let field = |Found { way, name, value }| {
        let (path, is_named) = path(&way, &elements);
        Field { path, name, is_named, value }
    };
    found.into_iter().map(field).collect()
}

/// Every `error_code`, with the path to it.
#[must_use]
pub fn codes(fields: &[Field]) -> Vec<(&str, i16)> {
    let code = |field: &Field| match field.value {
        Value::Number(code) if field.name == "error_code" => i16::try_from(code).ok(),
        _ => None,
    };
    fields.iter().filter_map(|field| Some((field.path.as_str(), code(field)?))).collect()
}

struct Found {
    way: Vec<Step>,
    name: &'static str,
    value: Value,
}

#[derive(Default)]
struct Collector {
    way: Vec<Step>,
    found: Vec<Found>,
    /// What the elements are about, by the way to them, with the rank of the field that says it.
    elements: HashMap<Vec<Step>, (usize, String)>,
}

impl Walker for Collector {
    fn enter(&mut self, step: Step) {
        self.way.push(step);
    }

    fn leaf(&mut self, leaf: Leaf<'_>) {
        let value = value(leaf);
        let name = self.way.iter().rev().find_map(|step| match step {
            Step::Field(name) => Some(*name),
            Step::Element(_) => None,
        });
        let name = name.unwrap_or_default();
        if let Some((Step::Field(name), element)) = self.way.split_last()
            && let Some(rank) = NAMES.iter().position(|known| known == name)
            && let Some(said) = said(&value)
        {
            let better = |(known, _): &(usize, String)| rank < *known;
            if self.elements.get(element).is_none_or(better) {
                self.elements.insert(element.to_vec(), (rank, said));
            }
        }
        self.found.push(Found { way: self.way.clone(), name, value });
    }

    fn leave(&mut self) {
        self.way.pop();
    }
}

fn value(leaf: Leaf<'_>) -> Value {
    match leaf {
        Leaf::Bool(value) => Value::Number((*value).into()),
        Leaf::I8(value) => Value::Number((*value).into()),
        Leaf::I16(value) => Value::Number((*value).into()),
        Leaf::I32(value) => Value::Number((*value).into()),
        Leaf::I64(value) => Value::Number(*value),
        Leaf::Uuid(value) => Value::Id(value.0),
        Leaf::Text(value) => Value::Text(value.clone()),
        Leaf::Bytes(value) => Value::Bytes(value.len()),
        Leaf::Records(value) => Value::Bytes(value.0.iter().map(bytes::Bytes::len).sum()),
        Leaf::List(count) => Value::List(count),
        Leaf::Null => Value::Null,
    }
}

fn said(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn path(way: &[Step], elements: &HashMap<Vec<Step>, (usize, String)>) -> (String, bool) {
    let (mut path, mut is_named) = (String::new(), true);
    for (at, step) in way.iter().enumerate() {
        match step {
            Step::Field(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Element(place) => {
                let name = way.get(..=at).and_then(|element| elements.get(element));
                is_named &= name.is_some();
                let name = name.map_or_else(|| place.to_string(), |(_, name)| name.clone());
                path.push_str(&format!("[{name}]"));
            }
        }
    }
    (path, is_named)
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::messages::join_group::{JoinGroupResponse, JoinGroupResponseMember};
    use pagi_protocol::kafka::messages::metadata::{
        MetadataPartition, MetadataResponse, MetadataTopic,
    };

    use super::*;

    #[test]
    fn elements_are_named_by_what_they_are_about() {
        let partition =
            MetadataPartition { partition_index: 2, error_code: 5, ..Default::default() };
        let topic = MetadataTopic {
            name: Some("orders".to_owned()),
            partitions: vec![partition],
            ..Default::default()
        };
        let mut answer = MetadataResponse { topics: vec![topic], ..Default::default() };
        let fields = of(&mut answer);
        let codes = codes(&fields);
        let expected =
            [("topics[orders].error_code", 0), ("topics[orders].partitions[2].error_code", 5)];
        assert_eq!(codes, expected);
        assert!(fields.iter().all(|field| field.is_named));
    }

    #[test]
    fn what_has_no_name_has_a_place() {
        let members = vec![JoinGroupResponseMember::default(); 2];
        let mut answer = JoinGroupResponse { members, ..Default::default() };
        let fields = of(&mut answer);
        let field = fields.iter().find(|field| field.path == "members[1].metadata").unwrap();
        assert_eq!(
            (&field.value, field.name, field.is_named),
            (&Value::Bytes(0), "metadata", false)
        );
    }
}
