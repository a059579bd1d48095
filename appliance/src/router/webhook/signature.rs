//! What lets a webhook check who sent an event, and that it is not an old one sent again.
//!
//! **References.** Standard Webhooks 1.0.0, "Verifying webhook authenticity": the headers
//! `webhook-id`, `webhook-timestamp` and `webhook-signature`; RFC 2104 (HMAC), FIPS 180-4 (SHA-256).
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use pagi_protocol::{ErrorCode, PagiError};
use sha2::Sha256;

/// What a secret in base64 begins with.
const BASE64_PREFIX: &str = "whsec_";

/// A secret that a webhook knows, too.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The secret that a file holds: `whsec_` and base64, or else the bytes themselves. White space
    /// around it does not count.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidConfig`] when it is empty or not base64.
    pub fn parse(file: &[u8]) -> Result<Self, PagiError> {
        let invalid = |why: &str| PagiError::new(ErrorCode::InvalidConfig, why);
        let text = file.trim_ascii();
        let secret = match text.strip_prefix(BASE64_PREFIX.as_bytes()) {
            Some(encoded) => BASE64
                .decode(encoded)
                .map_err(|_| invalid("the webhook's secret: no base64 behind whsec_"))?,
            None => text.to_vec(),
        };
        if secret.is_empty() {
            return Err(invalid("the webhook's secret is empty"));
        }
        Ok(Self(secret))
    }

    /// The value of `webhook-signature`, over the values of the two other headers and the body.
    pub(super) fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        // Any length of key will do for an HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_s_libraries_comes_out() {
        let secret = Secret::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn plain_text_is_a_secret_too_and_nothing_is_none() {
        assert_eq!(Secret::parse(b" abc \n").unwrap().0, b"abc");
        for wrong in [&b" \n"[..], b"whsec_", b"whsec_?"] {
            assert_eq!(Secret::parse(wrong).unwrap_err().code(), ErrorCode::InvalidConfig);
        }
        assert_eq!(format!("{:?}", Secret::parse(b"abc").unwrap()), "Secret(…)");
    }
}
