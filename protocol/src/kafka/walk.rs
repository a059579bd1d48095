//! Every field of a message in turn, by name and place, to be looked at or changed: for tools that
//! know the protocol, but not each message.
//!
//! **Invariants.** Fields come in the order of the message's table, in every version: those that a
//! version has not are at their defaults.
use bytes::Bytes;

use super::value::{Records, Uuid};

/// A step on the way from a message to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into the field of this name.
    Field(&'static str),
    /// Into the element at this place of a list.
    Element(usize),
}

/// The value at the end of the way.
#[derive(Debug)]
pub enum Leaf<'a> {
    /// Yes or no.
    Bool(&'a mut bool),
    /// A number of 8 bits.
    I8(&'a mut i8),
    /// A number of 16 bits.
    I16(&'a mut i16),
    /// A number of 32 bits.
    I32(&'a mut i32),
    /// A number of 64 bits.
    I64(&'a mut i64),
    /// An id.
    Uuid(&'a mut Uuid),
    /// A text.
    Text(&'a mut String),
    /// Bytes that the protocol does not look into.
    Bytes(&'a mut Bytes),
    /// Record batches.
    Records(&'a mut Records),
    /// A list of so many elements, which come next.
    List(usize),
    /// A text, bytes or a list that is null.
    Null,
}

/// Sees all fields.
pub trait Walker {
    /// One step down; [`Walker::leave`] is its end.
    fn enter(&mut self, step: Step);

    /// The value at the place that was entered.
    fn leaf(&mut self, leaf: Leaf<'_>);

    /// One step up.
    fn leave(&mut self);
}

/// A value that can be walked through.
pub trait Walk {
    /// Shows everything in it to `walker`.
    fn walk(&mut self, walker: &mut dyn Walker);
}

macro_rules! leaves {
    ($($type:ty: $leaf:ident),*) => {$(
        impl Walk for $type {
            fn walk(&mut self, walker: &mut dyn Walker) {
                walker.leaf(Leaf::$leaf(self));
            }
        }
    )*};
}
leaves!(
    bool: Bool, i8: I8, i16: I16, i32: I32, i64: I64,
    Uuid: Uuid, String: Text, Bytes: Bytes, Records: Records
);

impl<T: Walk> Walk for Vec<T> {
    fn walk(&mut self, walker: &mut dyn Walker) {
        walker.leaf(Leaf::List(self.len()));
        for (at, element) in self.iter_mut().enumerate() {
            walker.enter(Step::Element(at));
            element.walk(walker);
            walker.leave();
        }
    }
}

impl<T: Walk> Walk for Option<T> {
    fn walk(&mut self, walker: &mut dyn Walker) {
        match self {
            Some(value) => value.walk(walker),
            None => walker.leaf(Leaf::Null),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::messages::list_offsets::ListOffsetsTopic;
    use crate::kafka::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest};

    /// Writes down every field, and counts every timestamp up by one.
    #[derive(Default)]
    struct Lines {
        path: Vec<String>,
        lines: Vec<String>,
    }

    impl Walker for Lines {
        fn enter(&mut self, step: Step) {
            self.path.push(match step {
                Step::Field(name) => name.to_owned(),
                Step::Element(at) => at.to_string(),
            });
        }

        fn leaf(&mut self, mut leaf: Leaf<'_>) {
            self.lines.push(format!("{} {leaf:?}", self.path.join(".")));
            if let Leaf::I64(timestamp) = &mut leaf {
                **timestamp += 1;
            }
        }

        fn leave(&mut self) {
            self.path.pop();
        }
    }

    #[test]
    fn every_field_is_seen_and_can_be_changed() {
        let partition = ListOffsetsPartition { timestamp: 41, ..Default::default() };
        let topic = ListOffsetsTopic { name: "a".to_owned(), partitions: vec![partition] };
        let mut request = ListOffsetsRequest { topics: vec![topic], ..Default::default() };
        let mut lines = Lines::default();
        request.walk(&mut lines);
        assert_eq!(
            lines.lines,
            [
                "replica_id I32(-1)",
                "isolation_level I8(0)",
                "topics List(1)",
                "topics.0.name Text(\"a\")",
                "topics.0.partitions List(1)",
                "topics.0.partitions.0.partition_index I32(0)",
                "topics.0.partitions.0.current_leader_epoch I32(-1)",
                "topics.0.partitions.0.timestamp I64(41)",
                "timeout_ms I32(0)",
            ]
        );
        assert_eq!(request.topics[0].partitions[0].timestamp, 42);
    }
}
