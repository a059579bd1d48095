//! Values for property tests, made of arbitrary bytes: each byte is a choice. Fewer and smaller
//! bytes make smaller values, so that a failing case shrinks.
use bytes::Bytes;

use super::wire::{Records, Uuid, Version};

/// The choices that are left; zeros behind the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl Choices<'_> {
    /// The next choice.
    pub(super) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u8) -> usize {
        usize::from(self.byte() % bound)
    }

    /// Eight bytes, of which the zeros are rarely all.
    fn word(&mut self) -> [u8; 8] {
        match self.byte() {
            255 => [0xff; 8],
            254 => i64::MAX.to_be_bytes(),
            253 => i64::MIN.to_be_bytes(),
            seed => u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(),
        }
    }
}

/// What can be made of choices.
pub(super) trait Sample {
    /// A value as a message of this version may have it.
    fn sample(choices: &mut Choices<'_>, version: Version) -> Self;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Sample for $type {
            fn sample(choices: &mut Choices<'_>, _: Version) -> Self {
                Self::from_be_bytes(*choices.word().first_chunk().unwrap())
            }
        }
    )*};
}
numbers!(i8, i16, i32, i64);

impl Sample for bool {
    fn sample(choices: &mut Choices<'_>, _: Version) -> Self {
        choices.below(2) == 1
    }
}

impl Sample for String {
    fn sample(choices: &mut Choices<'_>, _: Version) -> Self {
        const LETTERS: [char; 8] = ['a', 'Z', '-', '.', '0', 'é', '→', '𝄞'];
        let len = match choices.byte() {
            // Long enough for a length of two bytes in every form.
            255 => 300,
            len => usize::from(len % 9),
        };
        (0..len).map(|_| LETTERS[choices.below(8)]).collect()
    }
}

impl Sample for Bytes {
    fn sample(choices: &mut Choices<'_>, _: Version) -> Self {
        let len = match choices.byte() {
            // Long enough to be passed on without a copy.
            200.. => 1500,
            len => usize::from(len % 17),
        };
        (0..len).map(|_| choices.byte()).collect()
    }
}

impl Sample for Uuid {
    fn sample(choices: &mut Choices<'_>, _: Version) -> Self {
        Self([choices.word(), choices.word()].concat().try_into().unwrap())
    }
}

impl Sample for Records {
    fn sample(choices: &mut Choices<'_>, version: Version) -> Self {
        let pieces = Vec::<Bytes>::sample(choices, version);
        Self(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(choices: &mut Choices<'_>, version: Version) -> Self {
        let count = choices.below(4);
        (0..count).map(|_| T::sample(choices, version)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(choices: &mut Choices<'_>, version: Version) -> Self {
        (choices.below(4) > 0).then(|| T::sample(choices, version))
    }
}
