//! Variables of the Java program that have no effect here, for those who count on them.

use millrace_settings::Reader;

/// Settings that Java takes from its own command line, and what to set instead.
const JAVA_FLAGS: [(&str, &str); 4] = [
    (
        "-Djavax.net.ssl.trustStore",
        "a Java trust store cannot be read; name PEM certificates by SSL_CERT_FILE or SSL_CERT_DIR",
    ),
    ("-Dlogback.configurationFile", "has no effect; name the file by LOGGING_CONFIG_PATH"),
    ("-Dhttp.proxy", "has no effect"),
    ("-Dhttps.proxy", "has no effect"),
];

/// Warns about each that is set to something that somebody may count on. Other flags of the
/// JVM, `ENABLE_VIRTUAL_THREADS`, `HTTP2_DISABLE` and the like are passed over.
pub(super) fn warn(read: &mut Reader<'_>) {
    if let Some(flags) = read.optional("JAVA_TOOL_OPTIONS") {
        for (flag, message) in JAVA_FLAGS {
            if flags.contains(flag) {
                // The flags may hold a password, so they are not shown.
                read.warn("JAVA_TOOL_OPTIONS", None, format!("{flag}: {message}"));
            }
        }
    }
    for name in ["METRICS_HTTP_SERVER_ENABLED", "METRICS_HTTP_CLIENT_ENABLED"] {
        if read.flag(name) {
            read.warn(name, Some("true"), "has no effect: there are no vertx_* metrics here");
        }
    }
    if read.flag("METRICS_JVM_ENABLED") {
        let message = "has no effect: there is no JVM here; see the process_* metrics";
        read.warn("METRICS_JVM_ENABLED", Some("true"), message);
    }
}
