//! What kind of program an ELF file holds.
//!
//! **References.** System V ABI, "Object Files": ELF header, program header, section header.
use crate::failure::{Failure, Outcome};

const TYPE_SHARED: u64 = 3;
const SEGMENT_INTERPRETER: u64 = 3;
const SECTION_SYMBOLS: u64 = 2;

/// Fails unless `file` is position-independent, needs no loader, and has no symbol table.
pub(super) fn check_static_pie_without_symbols(file: &[u8]) -> Outcome {
    let truncated = || Failure::new("the binary is not a 64-bit ELF file");
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return Err(truncated());
    }
    if number(file, 16, 2).ok_or_else(truncated)? != TYPE_SHARED {
        return Err(Failure::new("the binary is not position-independent"));
    }
    // Where the table is, how large an entry, how many; then the width of an entry's type.
    let segments = kinds(file, [32, 54, 56], 0).ok_or_else(truncated)?;
    if segments.contains(&SEGMENT_INTERPRETER) {
        return Err(Failure::new("the binary is dynamically linked"));
    }
    let sections = kinds(file, [40, 58, 60], 4).ok_or_else(truncated)?;
    if sections.contains(&SECTION_SYMBOLS) {
        return Err(Failure::new("the binary is not stripped"));
    }
    Ok(())
}

/// The types of a table's entries; `fields` are the header's offsets of the table's offset, its
/// entry size and its entry count, `kind` is where an entry has its type.
fn kinds(file: &[u8], fields: [usize; 3], kind: usize) -> Option<Vec<u64>> {
    let [offset, size, count] = fields;
    let offset = usize::try_from(number(file, offset, 8)?).ok()?;
    let size = usize::try_from(number(file, size, 2)?).ok()?;
    let count = usize::try_from(number(file, count, 2)?).ok()?;
    (0..count)
        .map(|index| {
            number(file, offset.checked_add(index.checked_mul(size)?)?.checked_add(kind)?, 4)
        })
        .collect()
}

/// A little-endian number of `width` bytes.
fn number(file: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_dynamically_linked_and_nonsense_is_no_program() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(check_static_pie_without_symbols(&this).is_err());
        assert!(check_static_pie_without_symbols(b"\x7fELF\x02\x01").is_err());
        assert!(check_static_pie_without_symbols(b"#!/bin/sh").is_err());
    }

    #[test]
    fn a_bare_position_independent_file_passes() {
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(64, 0);
        file[16] = 3;
        assert!(check_static_pie_without_symbols(&file).is_ok());
        file[16] = 2;
        assert!(check_static_pie_without_symbols(&file).is_err());
    }
}
