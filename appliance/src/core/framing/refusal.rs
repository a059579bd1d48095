//! What is wrong with a request's framing.

/// Why a request is not read, in words for its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A line feed without a carriage return before it.
    #[error("a line ends without a carriage return")]
    BareLineFeed,
    /// A carriage return without a line feed behind it.
    #[error("a carriage return does not end a line")]
    BareCarriageReturn,
    /// The first line is not a method, a target and a version, with one space between them.
    #[error("the request line is not valid")]
    RequestLine,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    #[error("the version is neither HTTP/1.1 nor HTTP/1.0")]
    Version,
    /// `CONNECT`.
    #[error("CONNECT is not supported")]
    Connect,
    /// The target has a form that does not fit its method, or characters that it may not have.
    #[error("the request target is not valid")]
    Target,
    /// The target names another host than `Host`.
    #[error("the request target and Host disagree")]
    TargetHost,
    /// A header line without a name, or with a character in it that a name may not have.
    #[error("a header name is not valid")]
    FieldName,
    /// `_` in a name: some readers take it for `-`.
    #[error("a header name has an underscore")]
    Underscore,
    /// A value that goes on in the next line.
    #[error("a header value is folded into the next line")]
    Folded,
    /// A control character in a value.
    #[error("a header value has a control character")]
    FieldValue,
    /// HTTP/1.1 without `Host`.
    #[error("Host is missing")]
    HostMissing,
    /// Two `Host` lines.
    #[error("more than one Host")]
    HostTwice,
    /// `Host` is not a host with or without a port.
    #[error("Host is not valid")]
    HostInvalid,
    /// `Content-Length` is not one plain number.
    #[error("Content-Length is not valid")]
    LengthInvalid,
    /// Two `Content-Length` lines.
    #[error("more than one Content-Length")]
    LengthTwice,
    /// A coding other than `chunked`, or spelled in a way that somebody might not know.
    #[error("Transfer-Encoding must be exactly \"chunked\"")]
    Coding,
    /// Two `Transfer-Encoding` lines.
    #[error("more than one Transfer-Encoding")]
    CodingTwice,
    /// Both ways to say how long the body is.
    #[error("Content-Length and Transfer-Encoding in one request")]
    LengthAndCoding,
    /// `Transfer-Encoding` in HTTP/1.0, which does not know it.
    #[error("Transfer-Encoding in HTTP/1.0")]
    CodingInHttp10,
    /// `Connection` asks to drop a field that says what the message is.
    #[error("Connection must not name a field about the message itself")]
    ConnectionNames,
    /// `Connection` is not a list of names.
    #[error("Connection is not valid")]
    ConnectionInvalid,
    /// Another expectation than `100-continue`.
    #[error("Expect must be \"100-continue\"")]
    Expectation,
    /// A chunk's size is not a plain hexadecimal number.
    #[error("a chunk size is not valid")]
    ChunkSize,
    /// A chunk's extension has a character that it may not have.
    #[error("a chunk extension is not valid")]
    ChunkExtension,
    /// A chunk does not end where its size says.
    #[error("a chunk does not end where its size says")]
    ChunkEnd,
    /// A trailer that is not valid, or one that belongs into the head.
    #[error("a trailer is not valid")]
    Trailer,
    /// Too many bytes beside the chunks' data.
    #[error("the chunks have too many bytes beside their data")]
    ChunkOverhead,
}
