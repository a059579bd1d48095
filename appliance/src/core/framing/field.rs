//! One header line: its name, its value, and which bytes may be in them.
//!
//! **References.** RFC 9110 sections 5.5 (values) and 5.6.2 (tokens); RFC 3986 section 3.2.2 (host).
use super::refusal::Refusal;

const TOKEN: u8 = 1;
const VALUE: u8 = 2;

/// What each byte may be part of.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let token = byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
            || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~');
        let value = matches!(byte, b'\t' | 0x20..=0x7e | 0x80..);
        #[expect(clippy::indexing_slicing, reason = "a byte is always within 256")]
        {
            classes[byte as usize] = if token { TOKEN } else { 0 } | if value { VALUE } else { 0 };
        }
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

fn is_of(class: u8, bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| CLASSES.get(usize::from(*byte)).is_some_and(|c| c & class != 0))
}

/// Whether these bytes are a token: a method, a name, an option.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && is_of(TOKEN, bytes)
}

/// Splits a line at its colon, and checks both parts. The value keeps the spaces around it.
pub(super) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::Folded);
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::FieldName)?;
    let (name, rest) = line.split_at_checked(colon).ok_or(Refusal::FieldName)?;
    if !is_token(name) {
        return Err(Refusal::FieldName);
    }
    if name.contains(&b'_') {
        return Err(Refusal::Underscore);
    }
    let value = rest.get(1..).unwrap_or_default();
    if !is_of(VALUE, value) {
        let carriage_return = value.contains(&b'\r');
        return Err(if carriage_return {
            Refusal::BareCarriageReturn
        } else {
            Refusal::FieldValue
        });
    }
    Ok((name, value))
}

/// Without spaces around it. Tabs stay, where they are always an error: readers differ about them.
pub(super) const fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = value {
        value = rest;
    }
    value
}

/// Whether this is a host with or without a port, and nothing else.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (address, after) = rest.split_at(end);
            let digits = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if !address.iter().all(digits) {
                return false;
            }
            match after.get(1..) {
                Some([]) => (address, None),
                Some([b':', port @ ..]) => (address, Some(port)),
                _ => return false,
            }
        }
        _ => match value.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let (host, port) = value.split_at(colon);
                (host, port.get(1..))
            }
            None => (value, None),
        },
    };
    let name = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':')
    };
    let number = |port: &[u8]| (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    !host.is_empty() && host.iter().all(name) && port.is_none_or(number)
}

/// Whether `Connection` lists names, and none of a field that says what the message is.
pub(super) fn check_connection(value: &[u8]) -> Result<(), Refusal> {
    const NEVER: [&[u8]; 12] = [
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"content-encoding",
        b"content-type",
        b"authorization",
        b"cookie",
        b"expect",
        b"forwarded",
        b"via",
        b"x-request-id",
        b"traceparent",
    ];
    for option in value.split(|byte| *byte == b',').map(trimmed) {
        if !is_token(option) {
            return Err(Refusal::ConnectionInvalid);
        }
        if NEVER.iter().any(|name| option.eq_ignore_ascii_case(name)) {
            return Err(Refusal::ConnectionNames);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_or_without_a_port() {
        for good in ["a", "a.b-c:80", "10.0.0.1:8080", "[::1]", "[::1]:80", "a_b.c"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in
            ["", ":80", "a:", "a:b", "a:123456", "u@a", "a/b", "a b", "a,b", "[::1", "[::1]x", "a?"]
        {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_line_is_a_name_a_colon_and_a_value() {
        assert_eq!(split(b"a-b: c d "), Ok((&b"a-b"[..], &b" c d "[..])));
        assert_eq!(split(b"a:"), Ok((&b"a"[..], &b""[..])));
        for (line, why) in [
            (&b" a: b"[..], Refusal::Folded),
            (b"a", Refusal::FieldName),
            (b": b", Refusal::FieldName),
            (b"a : b", Refusal::FieldName),
            (b"a_b: c", Refusal::Underscore),
            (b"a: b\0", Refusal::FieldValue),
            (b"a: b\rc", Refusal::BareCarriageReturn),
        ] {
            assert_eq!(split(line), Err(why), "{}", line.escape_ascii());
        }
    }
}
