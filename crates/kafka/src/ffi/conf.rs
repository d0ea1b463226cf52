//! The settings object of a client, freed unless a client has taken it over.

use std::ffi::c_char;
use std::ptr::NonNull;

use rdkafka_sys as sys;

use super::{ERROR_TEXT_MAX, buffer_text, c_string, text};
use crate::error::CreateError;

/// An owned `rd_kafka_conf_t`.
pub(crate) struct Config(NonNull<sys::rd_kafka_conf_t>);

impl Config {
    pub(crate) fn new() -> Self {
        // SAFETY: no preconditions.
        let conf = unsafe { sys::rd_kafka_conf_new() };
        Self(NonNull::new(conf).expect("librdkafka aborts when memory runs out"))
    }

    /// Sets one property by librdkafka's name.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), CreateError> {
        let c_key = c_string("name of a Kafka client setting", key)?;
        let c_value = c_string(&format!("value of the Kafka client setting {key}"), value)?;
        let mut reason: [c_char; ERROR_TEXT_MAX] = [0; ERROR_TEXT_MAX];
        // SAFETY: the conf is ours and alive; both strings are zero-terminated and copied by the
        // call; the buffer's length is given.
        let result = unsafe {
            sys::rd_kafka_conf_set(
                self.0.as_ptr(),
                c_key.as_ptr(),
                c_value.as_ptr(),
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        if result == sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        let reason = if is_secret(key) {
            "its value is not valid (not shown, it is a secret)".to_owned()
        } else {
            buffer_text(&reason)
        };
        Err(CreateError::Setting { key: key.to_owned(), reason })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_conf_t {
        self.0.as_ptr()
    }

    /// Makes a client; the settings belong to it from then on.
    pub(super) fn into_client(
        self,
        kind: sys::rd_kafka_type_t,
    ) -> Result<NonNull<sys::rd_kafka_t>, CreateError> {
        let mut reason: [c_char; ERROR_TEXT_MAX] = [0; ERROR_TEXT_MAX];
        // SAFETY: the conf is ours and alive; the buffer's length is given. On success librdkafka
        // owns the conf, on failure it is still ours.
        let client =
            unsafe { sys::rd_kafka_new(kind, self.0.as_ptr(), reason.as_mut_ptr(), reason.len()) };
        match NonNull::new(client) {
            Some(client) => {
                std::mem::forget(self);
                Ok(client)
            }
            None => Err(CreateError::Client { reason: buffer_text(&reason) }),
        }
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: no client took the conf, or `into_client` would have forgotten us.
        unsafe { sys::rd_kafka_conf_destroy(self.0.as_ptr()) };
    }
}

/// The version of the linked librdkafka, for instance `2.12.1`.
#[must_use]
pub fn librdkafka_version() -> String {
    // SAFETY: returns a static string.
    unsafe { text(sys::rd_kafka_version_str()) }
}

/// Settings whose values must not reach logs or errors.
fn is_secret(key: &str) -> bool {
    ["password", "secret", "jaas", "key.pem", "sasl.oauthbearer.config", "assertion"]
        .iter()
        .any(|part| key.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_setting_is_named() {
        let error = Config::new().set("no.such.key", "1").unwrap_err();
        assert!(error.to_string().contains("no.such.key"), "{error}");
    }

    #[test]
    fn secret_values_stay_out_of_errors() {
        let error = Config::new().set("ssl.key.password", "p\0q").unwrap_err();
        assert!(!error.to_string().contains('p') || !error.to_string().contains("p\0q"));
        assert_eq!(
            error,
            CreateError::ZeroByte {
                what: "value of the Kafka client setting ssl.key.password".to_owned()
            }
        );
    }

    #[test]
    fn refused_client_gives_the_settings_back() {
        let mut conf = Config::new();
        conf.set("enable.idempotence", "true").unwrap();
        conf.set("acks", "1").unwrap();
        let error = conf.into_client(sys::rd_kafka_type_t::RD_KAFKA_PRODUCER).unwrap_err();
        assert!(error.to_string().contains("acks"), "{error}");
    }
}
