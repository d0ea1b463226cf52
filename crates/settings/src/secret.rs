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

/// Where the host begins in what follows the `//` of a URL, if user-info stands before it. Found also
/// where that is broken: a password that should have been percent-encoded ends the authority too early,
/// and what is before its end is then no port.
pub fn user_info_end(rest: &str) -> Option<usize> {
    let authority = authority(rest);
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let odd = port.is_some_and(|port| !is_port(port) && !port.ends_with(']'));
    if !odd && !authority.contains('@') {
        return None;
    }
    let searched = if odd { rest } else { rest.split(['?', '#']).next().unwrap_or_default() };
    searched.rfind('@').map(|at| at.saturating_add(1))
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// `http://user:password@host/` becomes `http://********@host/`.
fn without_userinfo(value: &str) -> String {
    let (scheme, rest) = match value.find("://") {
        Some(at) => value.split_at_checked(at.saturating_add(3)),
        None => value.strip_prefix("//").map(|rest| ("//", rest)),
    }
    .unwrap_or(("", value));
    // Without a scheme it may be anything, but with a colon before the sign it may be a password.
    let suspect = !scheme.is_empty() || authority(rest).contains(':');
    let end = if suspect { user_info_end(rest) } else { None };
    match end.and_then(|end| rest.get(end..)) {
        Some(host) => format!("{scheme}{MASK}@{host}"),
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
