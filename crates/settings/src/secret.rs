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

/// `http://user:password@host/` becomes `http://********@host/`. A password that should have been
/// percent-encoded ends the authority too early: what is before its end is then no port.
fn without_userinfo(value: &str) -> String {
    let (scheme, rest) = match value.find("://") {
        Some(at) => value.split_at_checked(at.saturating_add(3)),
        None => value.strip_prefix("//").map(|rest| ("//", rest)),
    }
    .unwrap_or(("", value));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let odd = port.is_some_and(|port| !is_port(port) && !port.ends_with(']'));
    let searched = if odd { rest } else { rest.split(['?', '#']).next().unwrap_or_default() };
    // Without a scheme it may be anything, but with a colon before the sign it may be a password.
    let suspect = odd || authority.contains('@') && (!scheme.is_empty() || port.is_some());
    let at = if suspect { searched.rfind('@') } else { None };
    match at.and_then(|at| rest.get(at..)) {
        Some(host) => format!("{scheme}{MASK}{host}"),
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
        for url in ["http://me:p/w@h:1/", "http://me:p@w/w@h:1/", "//me:w@h:1/", "me:w@h:1/"] {
            let shown = shown("metrics-endpoint", url);
            assert!(shown.ends_with(&format!("{MASK}@h:1/")) && !shown.contains("me"), "{shown}");
        }
        for plain in ["me@h", "http://h:1/a@b", "http://[::1]:1/a@b", "http://[::1]/?a@b", "a:b"] {
            assert_eq!(shown("metrics-endpoint", plain), plain);
        }
    }
}
