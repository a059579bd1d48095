//! APIs and error codes as Kafka's own documents write them.
use pagi_protocol::kafka::api::ApiKey;
use pagi_protocol::kafka::error_code::KafkaCode;

/// An API's name, or its number.
pub(super) fn api(key: i16) -> String {
    ApiKey::from_number(key).map_or_else(|| format!("API {key}"), |api| format!("{api:?}"))
}

/// An error code's name, as in `UNKNOWN_MEMBER_ID`, or its number.
pub(super) fn code(code: i16) -> String {
    let Some(known) = KafkaCode::from_number(code) else { return format!("error {code}") };
    let mut name = String::new();
    for letter in format!("{known:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        assert_eq!(api(35), "DescribeLogDirs");
        assert_eq!(api(999), "API 999");
        assert_eq!(code(17), "INVALID_TOPIC_EXCEPTION");
        assert_eq!(code(0), "NONE");
        assert_eq!(code(999), "error 999");
    }
}
