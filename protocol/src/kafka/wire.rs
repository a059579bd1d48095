//! How each type of field looks on the wire, and the table that messages are declared with.
//!
//! **Invariants.** What is declared once in a table is read and written from it.
//!
//! **References.** KIP-482 (flexible versions: compact lengths and tagged fields).
use bytes::Bytes;

use super::cursor::{Cursor, DecodeError, Width};
use super::encoder::Encoder;
pub use super::value::{Records, Uuid};

/// The version that a message is read or written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The API's version.
    pub number: i16,
    /// Whether it has compact lengths and tagged fields.
    pub flexible: bool,
}

impl Version {
    const fn wide(self, classic: Width) -> Width {
        if self.flexible { Width::Compact } else { classic }
    }
}

/// A type that fields can have.
pub trait Wire: Sized {
    /// The fewest bytes a value takes.
    const BYTES_MIN: usize = 1;

    /// Reads a value.
    ///
    /// # Errors
    /// [`DecodeError`].
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError>;

    /// Writes the value.
    fn encode(&self, out: &mut Encoder, version: Version);
}

macro_rules! fixed {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            const BYTES_MIN: usize = size_of::<$type>();

            fn decode(cursor: &mut Cursor, _: Version) -> Result<Self, DecodeError> {
                cursor.array().map(<$type>::from_be_bytes)
            }

            fn encode(&self, out: &mut Encoder, _: Version) {
                out.put(&self.to_be_bytes());
            }
        }
    )*};
}
fixed!(i8, i16, i32, i64);

impl Wire for bool {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        Ok(i8::decode(cursor, version)? != 0)
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        i8::from(*self).encode(out, version);
    }
}

impl Wire for Uuid {
    const BYTES_MIN: usize = 16;

    fn decode(cursor: &mut Cursor, _: Version) -> Result<Self, DecodeError> {
        cursor.array().map(Self)
    }

    fn encode(&self, out: &mut Encoder, _: Version) {
        out.put(&self.0);
    }
}

fn put_length(out: &mut Encoder, length: Option<usize>, width: Width) {
    // Nothing of ours is as long as 2 GiB; a length beyond is written as the largest.
    let count = length.map(|length| i32::try_from(length).unwrap_or(i32::MAX));
    match width {
        Width::Two => {
            let count = count.map_or(-1, |count| i16::try_from(count).unwrap_or(i16::MAX));
            out.put(&count.to_be_bytes());
        }
        Width::Four => out.put(&count.unwrap_or(-1).to_be_bytes()),
        Width::Compact => out.put_uvarint(count.map_or(0, |count| count.unsigned_abs() + 1)),
    }
}

impl Wire for Option<String> {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        cursor.length(version.wide(Width::Two))?.map(|length| cursor.text(length)).transpose()
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        match self {
            Some(text) => text.encode(out, version),
            None => put_length(out, None, version.wide(Width::Two)),
        }
    }
}

/// Without compact lengths a text has at most 32,767 bytes on the wire. A longer one is cut, so
/// that what follows it stays readable.
impl Wire for String {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        <Option<Self>>::decode(cursor, version)?.ok_or(DecodeError::Null)
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        const CLASSIC_BYTES_MAX: usize = i16::MAX as usize;
        let bytes_max = if version.flexible { self.len() } else { CLASSIC_BYTES_MAX };
        let (text, _) = self.split_at(self.floor_char_boundary(bytes_max));
        put_length(out, Some(text.len()), version.wide(Width::Two));
        out.put(text.as_bytes());
    }
}

impl Wire for Option<Bytes> {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        match cursor.length(version.wide(Width::Four))? {
            Some(length) => cursor.take(length).map(Some),
            None => Ok(None),
        }
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        match self {
            Some(bytes) => bytes.encode(out, version),
            None => put_length(out, None, version.wide(Width::Four)),
        }
    }
}

impl Wire for Bytes {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        <Option<Self>>::decode(cursor, version)?.ok_or(DecodeError::Null)
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        put_length(out, Some(self.len()), version.wide(Width::Four));
        out.put_shared(self);
    }
}

impl Wire for Records {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        let bytes = <Option<Bytes>>::decode(cursor, version)?.unwrap_or_default();
        Ok(Self(if bytes.is_empty() { Vec::new() } else { vec![bytes] }))
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        let total = self.0.iter().map(Bytes::len).sum();
        put_length(out, Some(total), version.wide(Width::Four));
        self.0.iter().for_each(|bytes| out.put_shared(bytes));
    }
}

impl<T: Wire> Wire for Option<Vec<T>> {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        let Some(count) = cursor.length(version.wide(Width::Four))? else { return Ok(None) };
        let mut elements = cursor.room(count, T::BYTES_MIN)?;
        for _ in 0..count {
            elements.push(T::decode(cursor, version)?);
        }
        Ok(Some(elements))
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        put_length(out, self.as_ref().map(Vec::len), version.wide(Width::Four));
        self.iter().flatten().for_each(|element| element.encode(out, version));
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        <Option<Self>>::decode(cursor, version)?.ok_or(DecodeError::Null)
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        put_length(out, Some(self.len()), version.wide(Width::Four));
        self.iter().for_each(|element| element.encode(out, version));
    }
}

/// Passes over tagged fields: none of those that exist matters here.
pub(super) fn skip_tagged_fields(cursor: &mut Cursor) -> Result<(), DecodeError> {
    let count = cursor.uvarint()?;
    cursor.note_passed_over(count);
    for _ in 0..count {
        let _tag = cursor.uvarint()?;
        let bytes = usize::try_from(cursor.uvarint()?).unwrap_or(usize::MAX);
        cursor.take(bytes)?;
    }
    Ok(())
}

/// Declares a message, or a part of one: each field with its type, the versions that have it,
/// and its value in those that do not, when that is not the type's default.
macro_rules! message {
    (
        $(#[$about:meta])*
        $name:ident {
            $($(#[$field_about:meta])*
            $field:ident: $type:ty, $from:literal $(..= $to:literal)? $(, or $default:expr)?;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$field_about])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::kafka::wire::default_of!($type $(, $default)?),)* }
            }
        }

        impl $crate::kafka::wire::Wire for $name {
            fn decode(
                cursor: &mut $crate::kafka::cursor::Cursor,
                version: $crate::kafka::wire::Version,
            ) -> Result<Self, $crate::kafka::cursor::DecodeError> {
                let message = Self {
                    $($field: if version.number >= $from $(&& version.number <= $to)? {
                        <$type as $crate::kafka::wire::Wire>::decode(cursor, version)?
                    } else {
                        $crate::kafka::wire::default_of!($type $(, $default)?)
                    },)*
                };
                if version.flexible {
                    $crate::kafka::wire::skip_tagged_fields(cursor)?;
                }
                Ok(message)
            }

            fn encode(
                &self,
                out: &mut $crate::kafka::encoder::Encoder,
                version: $crate::kafka::wire::Version,
            ) {
                $(if version.number >= $from $(&& version.number <= $to)? {
                    $crate::kafka::wire::Wire::encode(&self.$field, out, version);
                })*
                if version.flexible {
                    out.put_uvarint(0);
                }
            }
        }

        impl $crate::kafka::walk::Walk for $name {
            fn walk(&mut self, walker: &mut dyn $crate::kafka::walk::Walker) {
                $(
                    walker.enter($crate::kafka::walk::Step::Field(stringify!($field)));
                    $crate::kafka::walk::Walk::walk(&mut self.$field, walker);
                    walker.leave();
                )*
            }
        }

        #[cfg(test)]
        impl $crate::kafka::sample::Sample for $name {
            fn sample(
                choices: &mut $crate::kafka::sample::Choices<'_>,
                version: $crate::kafka::wire::Version,
            ) -> Self {
                Self {
                    $($field: if version.number >= $from $(&& version.number <= $to)? {
                        $crate::kafka::sample::Sample::sample(choices, version)
                    } else {
                        $crate::kafka::wire::default_of!($type $(, $default)?)
                    },)*
                }
            }
        }
    };
}
macro_rules! default_of {
    ($type:ty) => {
        <$type>::default()
    };
    ($type:ty, $default:expr) => {
        $default
    };
}
pub(super) use {default_of, message};

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSIC: Version = Version { number: 0, flexible: false };
    const FLEXIBLE: Version = Version { number: 1, flexible: true };

    fn encoded(value: &impl Wire, version: Version) -> Bytes {
        let mut out = Encoder::default();
        value.encode(&mut out, version);
        out.into_bytes()
    }

    fn decoded<T: Wire>(bytes: Bytes, version: Version) -> Result<T, DecodeError> {
        T::decode(&mut Cursor::new(bytes), version)
    }

    #[test]
    fn lengths_are_wide_or_compact() {
        let text = "pagi".to_owned();
        assert_eq!(encoded(&text, CLASSIC), b"\0\x04pagi".as_slice());
        assert_eq!(encoded(&text, FLEXIBLE), b"\x05pagi".as_slice());
        assert_eq!(encoded(&vec![1_i16], CLASSIC), b"\0\0\0\x01\0\x01".as_slice());
        assert_eq!(encoded(&vec![1_i16], FLEXIBLE), b"\x02\0\x01".as_slice());
    }

    #[test]
    fn null_is_not_empty() {
        assert_eq!(encoded(&None::<String>, CLASSIC), b"\xff\xff".as_slice());
        assert_eq!(encoded(&None::<Vec<i32>>, FLEXIBLE), b"\0".as_slice());
        assert_eq!(encoded(&Some(Bytes::new()), FLEXIBLE), b"\x01".as_slice());
        let null = Bytes::from_static(b"\xff\xff");
        assert_eq!(decoded(null.clone(), CLASSIC), Ok(None::<String>));
        assert_eq!(decoded::<String>(null, CLASSIC), Err(DecodeError::Null));
        assert_eq!(decoded::<Vec<i8>>(Bytes::from_static(b"\0"), FLEXIBLE), Err(DecodeError::Null));
        assert_eq!(decoded::<Bytes>(Bytes::from_static(b"\0"), FLEXIBLE), Err(DecodeError::Null));
    }

    #[test]
    fn lengths_that_make_no_sense_are_refused() {
        let negative = Bytes::from_static(b"\x80\0\0\0");
        let refused = DecodeError::Length(i32::MIN.into());
        assert_eq!(decoded::<Option<Bytes>>(negative.clone(), CLASSIC), Err(refused));
        assert_eq!(decoded::<Vec<i8>>(negative, CLASSIC), Err(refused));
        let not_utf8 = Bytes::from_static(b"\x02\xff");
        assert_eq!(decoded::<String>(not_utf8, FLEXIBLE), Err(DecodeError::NotUtf8));
    }

    #[test]
    fn a_text_too_long_for_its_length_is_cut_between_letters() {
        let text = "é".repeat(20_000);
        let bytes = encoded(&text, CLASSIC);
        assert_eq!(bytes.len(), 2 + 32_766);
        assert_eq!(decoded::<String>(bytes, CLASSIC).as_deref(), Ok("é".repeat(16_383).as_str()));
        assert_eq!(decoded(encoded(&text, FLEXIBLE), FLEXIBLE), Ok(text));
    }

    #[test]
    fn pieces_of_records_travel_as_one() {
        let large = Bytes::from(vec![7; 2000]);
        let records = Records(vec![Bytes::from_static(b"small"), large.clone(), large]);
        let whole = Bytes::from(records.0.concat());
        for version in [CLASSIC, FLEXIBLE] {
            assert_eq!(encoded(&records, version), encoded(&Some(whole.clone()), version));
        }
        // Some clients take null for a mistake.
        assert_eq!(encoded(&Records::default(), CLASSIC), b"\0\0\0\0".as_slice());
    }
}
