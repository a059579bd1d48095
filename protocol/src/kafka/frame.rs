//! A frame's length prefix.

/// The bytes of the prefix.
pub const PREFIX_BYTES: usize = 4;

/// A length that is not acceptable; what follows it cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes is not acceptable: the limit is {bytes_max}")]
pub struct InvalidLength {
    /// What the prefix says.
    pub length: i32,
    /// The limit.
    pub bytes_max: usize,
}

/// The bytes that follow the prefix.
///
/// # Errors
/// [`InvalidLength`] when it is negative or above `bytes_max`.
pub fn length(prefix: [u8; PREFIX_BYTES], bytes_max: usize) -> Result<usize, InvalidLength> {
    let length = i32::from_be_bytes(prefix);
    usize::try_from(length)
        .ok()
        .filter(|bytes| *bytes <= bytes_max)
        .ok_or(InvalidLength { length, bytes_max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_taken_up_to_the_limit() {
        assert_eq!(length(100_i32.to_be_bytes(), 100), Ok(100));
        assert!(length(101_i32.to_be_bytes(), 100).is_err());
        assert!(length((-1_i32).to_be_bytes(), 100).is_err());
        assert!(length(*b"GET ", 1 << 20).is_err(), "HTTP on the wrong port");
    }
}
