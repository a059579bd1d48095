//! A topic's settings: Kafka's names, and of them those that this log honours.
//!
//! **Invariants.** What is described, parsed and honoured follows from one table. Only what was
//! set explicitly is kept, so that a default may change.
//!
//! **References.** Kafka documentation, "Topic Configs".
use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};

use super::bytes_codec::{CodecError, Reader, len_u32, put_sized};
use super::partition::Roll;
use super::retention::Retention;
use crate::limits::{BATCH_BYTES_MAX, MESSAGE_BYTES_MAX_DEFAULT, SEGMENT_BYTES};

/// The type of a setting, with Kafka's number for it (`DescribeConfigs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    String = 2,
    /// 32 bits.
    Int = 3,
    /// 64 bits.
    Long = 5,
    /// Words with commas between them.
    List = 7,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Kafka's name.
    pub name: &'static str,
    /// Kafka's name for the default of all topics, where that is one setting.
    pub broker_name: Option<&'static str>,
    /// Its type.
    pub kind: Kind,
    /// What holds when it is not set.
    pub default: i64,
    /// For words: those that may be set, the default first.
    words: &'static [&'static str],
    min: i64,
    max: i64,
    /// What it does.
    pub documentation: &'static str,
}

const RETENTION_MS_DEFAULT: i64 = 7 * 24 * 60 * 60 * 1000;
const BATCH_BYTES: i64 = BATCH_BYTES_MAX.cast_signed() as i64;
const MESSAGE_BYTES_DEFAULT: i64 = MESSAGE_BYTES_MAX_DEFAULT.cast_signed() as i64;
const SEGMENT_BYTES_DEFAULT: i64 = SEGMENT_BYTES.cast_signed();
const INT_MAX: i64 = i32::MAX as i64;

const fn number(
    (name, broker_name): (&'static str, Option<&'static str>),
    kind: Kind,
    default: i64,
    (min, max): (i64, i64),
    documentation: &'static str,
) -> Setting {
    Setting { name, broker_name, kind, default, words: &[], min, max, documentation }
}

const fn words(
    (name, broker_name): (&'static str, Option<&'static str>),
    kind: Kind,
    words: &'static [&'static str],
    documentation: &'static str,
) -> Setting {
    Setting { name, broker_name, kind, default: 0, words, min: 0, max: 0, documentation }
}

/// Every setting that is honoured, by name.
pub const SETTINGS: &[Setting] = &[
    words(
        ("cleanup.policy", Some("log.cleanup.policy")),
        Kind::List,
        &["delete"],
        "What happens to old records.",
    ),
    words(
        ("compression.type", Some("compression.type")),
        Kind::String,
        &["producer"],
        "Batches stay as producers made them.",
    ),
    number(
        ("max.message.bytes", Some("message.max.bytes")),
        Kind::Int,
        MESSAGE_BYTES_DEFAULT,
        (0, BATCH_BYTES),
        "The largest record batch that is taken, in bytes.",
    ),
    words(
        ("message.timestamp.type", Some("log.message.timestamp.type")),
        Kind::String,
        &["CreateTime", "LogAppendTime"],
        "Whether records keep their producer's time or get the broker's.",
    ),
    number(
        ("min.insync.replicas", Some("min.insync.replicas")),
        Kind::Int,
        1,
        (1, 1),
        "Replicas that must have a record before it is acknowledged.",
    ),
    number(
        ("retention.bytes", Some("log.retention.bytes")),
        Kind::Long,
        -1,
        (-1, i64::MAX),
        "The bytes of a partition beyond which its oldest segments go; -1: they stay.",
    ),
    number(
        ("retention.ms", None),
        Kind::Long,
        RETENTION_MS_DEFAULT,
        (-1, i64::MAX),
        "The age at which a segment goes, in milliseconds; -1: it stays.",
    ),
    number(
        ("segment.bytes", Some("log.segment.bytes")),
        Kind::Int,
        SEGMENT_BYTES_DEFAULT,
        (1 << 20, INT_MAX),
        "The bytes of a segment after which the next one begins.",
    ),
    number(
        ("segment.ms", None),
        Kind::Long,
        RETENTION_MS_DEFAULT,
        (1, i64::MAX),
        "The age of a segment at which the next one begins, in milliseconds.",
    ),
];

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No such setting, or not honoured.
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    /// A value without sense.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// Why not.
        reason: String,
    },
}

impl Setting {
    /// The setting of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// The default, as it is shown.
    #[must_use]
    pub fn default_text(&self) -> String {
        self.words.first().map_or_else(|| self.default.to_string(), |word| (*word).to_owned())
    }

    /// The value as it is kept.
    ///
    /// # Errors
    /// [`SettingError::Value`].
    pub fn parse(&'static self, text: &str) -> Result<String, SettingError> {
        let wrong = |reason: String| SettingError::Value {
            name: self.name,
            value: text.to_owned(),
            reason,
        };
        let text = text.trim();
        if let [_, ..] = self.words {
            if self.words.contains(&text) {
                return Ok(text.to_owned());
            }
            let reason = format!("String must be one of: {}", self.words.join(", "));
            return Err(wrong(match text.contains("compact") {
                true => format!("{reason} (topics cannot be compacted yet)"),
                false => reason,
            }));
        }
        let value: i64 = text.parse().map_err(|_| {
            let kind = if self.kind == Kind::Int { "INT" } else { "LONG" };
            wrong(format!("Not a number of type {kind}"))
        })?;
        if value < self.min {
            return Err(wrong(format!("Value must be at least {}", self.min)));
        }
        if value > self.max {
            return Err(wrong(format!("Value must be no more than {}", self.max)));
        }
        Ok(value.to_string())
    }
}

/// What was set for a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSettings(BTreeMap<&'static str, String>);

impl TopicSettings {
    /// Sets one, or with `None` sets it back to its default.
    ///
    /// # Errors
    /// [`SettingError`]; nothing is changed.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), SettingError> {
        let setting = Setting::named(name).ok_or_else(|| SettingError::Unknown(name.to_owned()))?;
        match value {
            Some(value) => self.0.insert(setting.name, setting.parse(value)?),
            None => self.0.remove(setting.name),
        };
        Ok(())
    }

    /// What was set explicitly.
    #[must_use]
    pub fn explicit(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> i64 {
        let set = self.explicit(name).and_then(|text| text.parse().ok());
        set.or_else(|| Setting::named(name).map(|setting| setting.default)).unwrap_or_default()
    }

    /// What is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            age_ms: Some(self.number("retention.ms")).filter(|age_ms| *age_ms >= 0),
            bytes: u64::try_from(self.number("retention.bytes")).ok(),
        }
    }

    /// When a segment is full; it has `segment_bytes` where the topic does not say.
    #[must_use]
    pub fn roll(&self, segment_bytes: u64) -> Roll {
        let bytes = self.explicit("segment.bytes").and_then(|text| text.parse().ok());
        Roll { bytes: bytes.unwrap_or(segment_bytes), age_ms: self.number("segment.ms") }
    }

    /// The largest batch, where that was set.
    #[must_use]
    pub fn message_bytes_max(&self) -> Option<usize> {
        self.explicit("max.message.bytes")?.parse().ok()
    }

    /// Whether records get the broker's time.
    #[must_use]
    pub fn append_time(&self) -> bool {
        self.explicit("message.timestamp.type") == Some("LogAppendTime")
    }

    /// Not fewer than the bytes of [`TopicSettings::encode`].
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        4 + self.0.iter().map(|(name, value)| 8 + name.len() + value.len()).sum::<usize>()
    }

    /// Writes them behind `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u32(len_u32(self.0.len()));
        for (name, value) in &self.0 {
            put_sized(out, name.as_bytes());
            put_sized(out, value.as_bytes());
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`CodecError`], also for what a newer version has set.
    pub fn decode(reader: &mut Reader) -> Result<Self, CodecError> {
        let mut settings = Self::default();
        for number in 0..reader.u32()? {
            let (name, value) = (reader.text("setting")?, reader.text("setting")?);
            let unknown =
                CodecError::Unknown { what: "topic setting number", value: number.into() };
            settings.set(&name, Some(&value)).map_err(|_| unknown)?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_value_that_reads_back_or_an_error(
            index in 0..SETTINGS.len(),
            text in "-?[0-9]{1,20}|[a-zA-Z,]{0,20}|\\PC{0,10}",
        ) {
            let setting = &SETTINGS[index];
            if let Ok(kept) = setting.parse(&text) {
                prop_assert_eq!(setting.parse(&kept).unwrap(), kept);
            }
        }
    }

    fn set(pairs: &[(&str, &str)]) -> Result<TopicSettings, SettingError> {
        let mut settings = TopicSettings::default();
        for (name, value) in pairs {
            settings.set(name, Some(value))?;
        }
        Ok(settings)
    }

    #[test]
    fn every_default_is_a_value_of_its_setting_and_the_names_are_sorted() {
        for setting in SETTINGS {
            assert!(setting.parse(&setting.default_text()).is_ok(), "{}", setting.name);
        }
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.name));
    }

    #[test]
    fn what_is_set_holds_and_what_is_not_has_its_default() {
        let settings = set(&[("retention.ms", "-1"), ("segment.bytes", "1048576")]).unwrap();
        assert_eq!(settings.retention(), Retention { age_ms: None, bytes: None });
        assert_eq!(TopicSettings::default().roll(7).bytes, 7);
        assert_eq!(settings.roll(7), Roll { bytes: 1 << 20, age_ms: RETENTION_MS_DEFAULT });
        assert_eq!(TopicSettings::default().retention().age_ms, Some(RETENTION_MS_DEFAULT));
        assert_eq!(settings.message_bytes_max(), None);
    }

    #[test]
    fn values_without_sense_are_refused_with_a_reason() {
        for (name, value, words) in [
            ("retention.ms", "soon", "Not a number of type LONG"),
            ("retention.ms", "-2", "at least -1"),
            ("segment.bytes", "10", "at least 1048576"),
            ("max.message.bytes", "99999999", "no more than"),
            ("min.insync.replicas", "2", "no more than 1"),
            ("cleanup.policy", "compact", "cannot be compacted yet"),
            ("compression.type", "gzip", "one of: producer"),
            ("no.such.setting", "1", "Unknown topic config name: no.such.setting"),
        ] {
            let error = set(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn settings_read_back() {
        let settings =
            set(&[("retention.bytes", "5"), ("message.timestamp.type", "LogAppendTime")]).unwrap();
        let mut out = BytesMut::new();
        settings.encode(&mut out);
        assert!(out.len() <= settings.encoded_bytes());
        let read = TopicSettings::decode(&mut Reader(Bytes::from(out))).unwrap();
        assert_eq!(read, settings);
        assert!(read.append_time());
    }
}
