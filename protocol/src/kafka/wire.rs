//! How each type of field looks on the wire, and the table that messages are declared with.
//!
//! **Invariants.** What is declared once in a table is read and written from it.
//!
//! **References.** KIP-482 (flexible versions: compact lengths and tagged fields).
use bytes::Bytes;

use super::cursor::{Cursor, DecodeError, Width};
use super::encoder::Encoder;

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

/// Sixteen bytes that name something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

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
        let Some(length) = cursor.length(version.wide(Width::Two))? else { return Ok(None) };
        let bytes = cursor.take(length)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| DecodeError::NotUtf8)?;
        Ok(Some(text.to_owned()))
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        put_length(out, self.as_ref().map(String::len), version.wide(Width::Two));
        out.put(self.as_ref().map_or(&[], String::as_bytes));
    }
}

impl Wire for String {
    fn decode(cursor: &mut Cursor, version: Version) -> Result<Self, DecodeError> {
        <Option<Self>>::decode(cursor, version)?.ok_or(DecodeError::Null)
    }

    fn encode(&self, out: &mut Encoder, version: Version) {
        put_length(out, Some(self.len()), version.wide(Width::Two));
        out.put(self.as_bytes());
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
        put_length(out, self.as_ref().map(Bytes::len), version.wide(Width::Four));
        if let Some(bytes) = self {
            out.put_shared(bytes);
        }
    }
}

/// Record batches, one behind the other, as a list of pieces: never null when written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records(pub Vec<Bytes>);

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
        cursor.announce(count, T::BYTES_MIN)?;
        let mut elements = Vec::with_capacity(count.min(ELEMENTS_RESERVED_MAX));
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

/// Elements for which room is made before the first is read.
const ELEMENTS_RESERVED_MAX: usize = 16;

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
    for _ in 0..cursor.uvarint()? {
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
