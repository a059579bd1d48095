//! Record batches as clients send them.
use bytes::Bytes;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::record::Record;

use crate::rng::Rng;

/// A valid batch of so many records, with about so many bytes of values.
pub(crate) fn batch(producer: Producer, records: i32, bytes: usize, rng: &mut Rng) -> Bytes {
    let mut builder = BatchBuilder::new(1 << 20);
    let each = bytes / usize::try_from(records).unwrap();
    for _ in 0..records {
        let value = Some(rng.bytes(each).into());
        let timestamp_ms = i64::try_from(rng.below(1_000_000)).unwrap();
        builder.push(&Record { timestamp_ms, value, ..Record::default() }).unwrap();
    }
    builder.finish(producer).unwrap()
}
