//! TLS and SASL keys of a client's file (platform.md 4.4). They take effect only on clients
//! whose credentials choose a protocol that uses them (platform.md 3.3).

use super::{jaas, java::JavaValues};

const OAUTH_HANDLERS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
];
const CONVERT: &str = "convert it to PEM (keytool -importkeystore to PKCS12, then openssl pkcs12)";

/// Cipher suites as Java and as OpenSSL name them. Those of TLS 1.3 are always on in OpenSSL
/// and cannot stand in this list.
const CIPHERS: [(&str, &str); 12] = [
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    ("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256"),
    ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
];

/// What the file says about TLS and SASL, in librdkafka's keys. Holds secrets: its `Debug`
/// shows keys only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FileSecurity {
    /// For clients with `SSL` or `SASL_SSL`.
    pub tls: Vec<(String, String)>,
    /// For clients with `SASL_PLAINTEXT` or `SASL_SSL`.
    pub sasl: Vec<(String, String)>,
    /// Why no client with TLS can be made from this file.
    pub tls_refused: Vec<String>,
    /// Why no client with SASL can be made from this file alone.
    pub sasl_refused: Vec<String>,
}

impl std::fmt::Debug for FileSecurity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = |pairs: &[(String, String)]| -> Vec<String> {
            pairs.iter().map(|(key, _)| key.clone()).collect()
        };
        f.debug_struct("FileSecurity")
            .field("tls", &keys(&self.tls))
            .field("sasl", &keys(&self.sasl))
            .field("tls_refused", &self.tls_refused)
            .field("sasl_refused", &self.sasl_refused)
            .finish()
    }
}

/// Reads the keys and warns about what a resource without credentials does not get from them.
pub(super) fn read(java: &mut JavaValues<'_>) -> FileSecurity {
    if java.text("security.protocol").is_some_and(|text| !text.eq_ignore_ascii_case("PLAINTEXT")) {
        java.warn(
            "security.protocol",
            "has no effect on resources without credentials: they use PLAINTEXT; \
             let the resource refer to a secret with this protocol",
        );
    }
    let mut security = FileSecurity::default();
    trust(java, &mut security);
    identity(java, &mut security);
    handshake(java, &mut security);
    sasl(java, &mut security);
    security
}

impl FileSecurity {
    fn tls(&mut self, key: &str, value: &str) {
        self.tls.push((key.to_owned(), value.to_owned()));
    }

    fn sasl(&mut self, key: &str, value: &str) {
        self.sasl.push((key.to_owned(), value.to_owned()));
    }

    fn refuse_tls(&mut self, java: &mut JavaValues<'_>, key: &str, reason: String) {
        java.warn(key, format!("clients with TLS are refused: {reason}"));
        self.tls_refused.push(format!("{key}: {reason}"));
    }

    fn refuse_sasl(&mut self, java: &mut JavaValues<'_>, key: &str, reason: &str) {
        java.warn(key, format!("clients with SASL are refused: {reason}"));
        self.sasl_refused.push(format!("{key}: {reason}"));
    }
}

fn trust(java: &mut JavaValues<'_>, security: &mut FileSecurity) {
    if let Some(pem) = java.text("ssl.truststore.certificates") {
        security.tls("ssl.ca.pem", pem);
    } else if let Some(path) = java.text("ssl.truststore.location") {
        let kind = java.text("ssl.truststore.type").unwrap_or("JKS");
        if kind.eq_ignore_ascii_case("PEM") {
            security.tls("ssl.ca.location", path);
        } else {
            let reason = format!("a trust store of type {kind} cannot be read; {CONVERT}");
            security.refuse_tls(java, "ssl.truststore.location", reason);
        }
    }
}

fn identity(java: &mut JavaValues<'_>, security: &mut FileSecurity) {
    let (chain, key) = ("ssl.keystore.certificate.chain", "ssl.keystore.key");
    match (java.text(chain), java.text(key)) {
        (Some(chain), Some(key)) => {
            security.tls("ssl.certificate.pem", chain);
            security.tls("ssl.key.pem", key);
        }
        (Some(_), None) => security.refuse_tls(java, chain, format!("{key} is missing")),
        (None, Some(_)) => security.refuse_tls(java, key, format!("{chain} is missing")),
        (None, None) => {}
    }
    if let Some(path) = java.text("ssl.keystore.location") {
        match java.text("ssl.keystore.type").unwrap_or("JKS").to_ascii_uppercase().as_str() {
            "PEM" => {
                security.tls("ssl.certificate.location", path);
                security.tls("ssl.key.location", path);
            }
            "PKCS12" => {
                security.tls("ssl.keystore.location", path);
                let password = java.text("ssl.keystore.password").unwrap_or_default();
                security.tls("ssl.keystore.password", password);
            }
            kind => {
                let reason = format!("a key store of type {kind} cannot be read; {CONVERT}");
                security.refuse_tls(java, "ssl.keystore.location", reason);
            }
        }
    }
    if let Some(password) = java.text("ssl.key.password") {
        security.tls("ssl.key.password", password);
    }
}

fn handshake(java: &mut JavaValues<'_>, security: &mut FileSecurity) {
    let key = "ssl.endpoint.identification.algorithm";
    if let Some(algorithm) = java.text(key) {
        match algorithm.to_ascii_lowercase().as_str() {
            "" => security.tls(key, "none"),
            "https" => security.tls(key, "https"),
            _ => security.refuse_tls(java, key, "must be https, or empty for off".to_owned()),
        }
    }
    let key = "ssl.cipher.suites";
    let Some(suites) = java.text(key).filter(|suites| !suites.is_empty()) else { return };
    let mut names = Vec::new();
    for suite in suites.split(',').map(str::trim) {
        match CIPHERS.iter().find(|(java_name, _)| *java_name == suite) {
            Some((_, name)) => names.push(*name),
            // OpenSSL's own names have no underscore, and TLS 1.3 is on without being named.
            None if !suite.contains('_') => names.push(suite),
            None if !suite.contains("_WITH_") => {}
            None => java.warn(key, format!("no OpenSSL name is known for {suite}; left out")),
        }
    }
    if names.is_empty() {
        java.warn(key, "names no suite of TLS 1.2, so OpenSSL's own choice is used for it");
    } else {
        security.tls(key, &names.join(":"));
    }
}

fn sasl(java: &mut JavaValues<'_>, security: &mut FileSecurity) {
    let mechanism = java.text("sasl.mechanism").unwrap_or("GSSAPI");
    if java.is_set("sasl.mechanism") {
        security.sasl("sasl.mechanism", mechanism);
    }
    if mechanism == "AWS_MSK_IAM" {
        let reason = "use OAUTHBEARER, which the same listener offers";
        security.refuse_sasl(java, "sasl.mechanism", reason);
        return;
    }
    let key = "sasl.jaas.config";
    let Some(text) = java.text(key) else { return };
    let jaas = match jaas::parse(text) {
        Ok(jaas) => jaas,
        Err(reason) => return security.refuse_sasl(java, key, reason),
    };
    let option = |name: &str| jaas.options.get(name).map(String::as_str);
    match jaas.module.rsplit('.').next().unwrap_or_default() {
        "PlainLoginModule" | "ScramLoginModule" => {
            let (Some(user), Some(password)) = (option("username"), option("password")) else {
                return security.refuse_sasl(java, key, "username or password is missing");
            };
            security.sasl("sasl.username", user);
            security.sasl("sasl.password", password);
        }
        "OAuthBearerLoginModule" => oauth(java, security, &option),
        "Krb5LoginModule" => {
            let reason = "Kerberos is not built in; use SCRAM, or TLS client certificates";
            security.refuse_sasl(java, key, reason);
        }
        _ => security.refuse_sasl(java, key, "this login module is a Java class"),
    }
}

/// Client credentials against a token endpoint; other ways to a token are Java classes.
fn oauth<'o>(
    java: &mut JavaValues<'_>,
    security: &mut FileSecurity,
    option: &impl Fn(&str) -> Option<&'o str>,
) {
    let handler_key = "sasl.login.callback.handler.class";
    let handler = java.text(handler_key);
    if handler.is_some_and(|class| !OAUTH_HANDLERS.contains(&class)) {
        return security.refuse_sasl(java, handler_key, "this callback handler is a Java class");
    }
    let url_key = "sasl.oauthbearer.token.endpoint.url";
    let Some(url) = java.text(url_key) else {
        return security.refuse_sasl(java, "sasl.jaas.config", "needs the token endpoint's URL");
    };
    let (Some(id), Some(secret)) = (option("clientId"), option("clientSecret")) else {
        let reason = "clientId or clientSecret is missing";
        return security.refuse_sasl(java, "sasl.jaas.config", reason);
    };
    security.sasl("sasl.oauthbearer.method", "oidc");
    security.sasl("sasl.oauthbearer.client.id", id);
    security.sasl("sasl.oauthbearer.client.secret", secret);
    if let Some(scope) = option("scope") {
        security.sasl("sasl.oauthbearer.scope", scope);
    }
    security.sasl("sasl.oauthbearer.token.endpoint.url", url);
}
