//! What "nothing was lost" means.
use std::collections::{BTreeMap, HashMap};

use super::delivered::Delivered;
use super::publish::Acknowledged;

/// Every acknowledged event is at its place with its key, byte for byte; every partition was read in
/// order and without a gap; and events of one key are in the order in which they were published.
pub(crate) fn assert_all(acknowledged: &[Acknowledged], delivered: &[Delivered]) {
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    let mut by_place = HashMap::new();
    for record in delivered {
        let expected = next.entry(record.partition).or_default();
        assert_eq!(record.offset, *expected, "the next offset of partition {}", record.partition);
        *expected += 1;
        by_place.insert((record.partition, record.offset), record);
    }
    let mut last_of_key: HashMap<&str, (i32, i64)> = HashMap::new();
    for Acknowledged { event, partition, offset } in acknowledged {
        let place = (*partition, *offset);
        let record = by_place.get(&place);
        let record = record.unwrap_or_else(|| panic!("acknowledged but not there: {place:?}"));
        assert_eq!(record.key, event.key, "the key at {place:?}");
        assert!(
            record.payload == event.body,
            "not byte for byte at {place:?}:\n{}\nwas published as\n{}",
            record.payload.escape_ascii(),
            event.body.escape_ascii()
        );
        if let Some(key) = &event.key {
            let last = last_of_key.insert(key, place);
            assert!(
                last.is_none_or(|last| last.0 == place.0 && last.1 < place.1),
                "key {key:?}: {place:?} follows {last:?}"
            );
        }
    }
}
