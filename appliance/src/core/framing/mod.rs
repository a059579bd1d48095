//! Where HTTP/1 requests begin and end in the bytes of a connection, read so strictly that no other
//! reader can find another end.
//!
//! **Invariants.** Bytes are called safe only after the whole head before them was found good. The
//! verdict does not depend on how the bytes are split. Work is linear in the bytes, memory constant.
//!
//! **References.** RFC 9112 (HTTP/1.1 messages) and its section 11.2 (request smuggling).
mod chunked;
mod field;
mod head;
mod refusal;
mod request_line;
mod scanner;

pub use refusal::Refusal;
pub use scanner::{Scan, Scanner};
