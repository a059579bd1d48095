//! The codec against another one, the `kafka-protocol` crate, and against hostile bytes: every
//! message in every version.
mod agreement;
mod cases;
mod hostile;
mod messages;
mod shown;
