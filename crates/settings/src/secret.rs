//! Which values must never be shown, told by the key alone.

/// What is shown in place of a secret.
pub const MASK: &str = "********";

/// Parts of key names whose values are secrets. `sasl.jaas.config` holds a password in its
/// middle, so it is hidden whole; key stores in PEM are private keys as text.
const SECRET_PARTS: [&str; 8] =
    ["password", "passwd", "secret", "jaas", "credential", "passphrase", "token", "otlp_headers"];
const SECRET_KEYS: [&str; 6] = [
    "ssl.keystore.key",
    "ssl.key.pem",
    "sasl.oauthbearer.config",
    "otel_exporter_otlp_headers",
    "otel_exporter_otlp_metrics_headers",
    "sasl.oauthbearer.assertion.private.key.pem",
];

/// Whether the value of `key` is a secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    // An address or a time limit is no secret, though its name says "token".
    if key.ends_with(".url") || key.ends_with(".ms") || key.ends_with(".location") {
        return false;
    }
    SECRET_KEYS.contains(&key.as_str()) || SECRET_PARTS.iter().any(|part| key.contains(part))
}

/// `value` as it may be shown: the mask if `key` is secret, else the text without the user
/// part of a URL.
pub fn shown(key: &str, value: &str) -> String {
    if is_secret(key) { MASK.to_owned() } else { without_userinfo(value) }
}

/// `http://user:password@host/` becomes `http://********@host/`.
fn without_userinfo(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let (authority, tail) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{MASK}@{host}{tail}"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_whole() {
        for key in [
            "sasl.jaas.config",
            "ssl.key.password",
            "ssl.keystore.key",
            "SASL.PASSWORD",
            "sasl.oauthbearer.client.secret",
            "OTEL_EXPORTER_OTLP_HEADERS",
        ] {
            assert_eq!(shown(key, "hunter2"), MASK, "{key}");
        }
    }

    #[test]
    fn ordinary_values_are_shown() {
        assert_eq!(shown("acks", "all"), "all");
        let url = "https://idp/token";
        assert_eq!(shown("sasl.oauthbearer.token.endpoint.url", url), url);
    }

    #[test]
    fn the_user_part_of_a_url_is_masked() {
        assert_eq!(
            shown("metrics-endpoint", "http://me:pw@host:9090/m?x=a@b"),
            format!("http://{MASK}@host:9090/m?x=a@b")
        );
    }
}
