//! The query of a URI: `name=value` pairs, as HTML forms and `curl --data-urlencode` write them.
//!
//! **Invariants.** Decoded once. A name that is unknown, or there twice, is an error: a misspelt
//! `?topic=` must not make an event go elsewhere.
//!
//! **References.** WHATWG URL, `application/x-www-form-urlencoded` parsing.

/// Reads the values of `names` from a raw query, in the order of `names`.
///
/// # Errors
/// A sentence that names the parameter which is unknown, there twice, or not well encoded.
pub fn parameters<const N: usize>(
    query: Option<&str>,
    names: [&str; N],
) -> Result<[Option<Vec<u8>>; N], String> {
    let mut values = [const { None }; N];
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name).and_then(|name| String::from_utf8(name).ok());
        let name = name.ok_or("a query parameter's name is not well encoded")?;
        let slot = names.iter().zip(&mut values).find(|(known, _)| **known == name);
        let Some((_, slot)) = slot else {
            return Err(format!("unknown query parameter {name:?}; known: {}", names.join(", ")));
        };
        if slot.is_some() {
            return Err(format!("the query parameter {name:?} is given more than once"));
        }
        let value = decoded(value);
        *slot = Some(value.ok_or_else(|| format!("{name:?} is not well percent-encoded"))?);
    }
    Ok(values)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex_value(bytes.next()?)? << 4 | hex_value(bytes.next()?)?,
            other => other,
        });
    }
    Some(out)
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic_and_key(query: &str) -> Result<[Option<Vec<u8>>; 2], String> {
        parameters(Some(query), ["topic", "key"])
    }

    #[test]
    fn values_are_decoded_once() {
        let [topic, key] = topic_and_key("key=a%2520b+c%C3%A9&topic=t").unwrap();
        assert_eq!(topic.as_deref(), Some(b"t".as_slice()));
        assert_eq!(key.as_deref(), Some("a%20b cé".as_bytes()));
    }

    #[test]
    fn what_is_not_there_is_none_and_what_is_empty_is_empty() {
        assert_eq!(topic_and_key("key=").unwrap(), [None, Some(Vec::new())]);
        assert_eq!(parameters(None, ["topic"]).unwrap(), [None]);
        assert_eq!(topic_and_key("&&").unwrap(), [None, None]);
    }

    #[test]
    fn mistakes_are_named() {
        for (query, why) in [
            ("topci=x", "unknown query parameter \"topci\""),
            ("key=1&key=2", "\"key\" is given more than once"),
            ("key=%2", "\"key\" is not well percent-encoded"),
            ("key=%zz", "\"key\" is not well percent-encoded"),
            ("%ff=1", "name is not well encoded"),
        ] {
            assert!(topic_and_key(query).unwrap_err().contains(why), "{query}");
        }
    }
}
