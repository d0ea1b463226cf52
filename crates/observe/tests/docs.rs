//! `docs/metrics.md` says what the table of names says. `UPDATE=1 cargo test` writes it anew.

use std::path::Path;

use millrace_observe::names::describe;

const HEAD: &str = "# Metrics\n\n\
    Served at `:9090/metrics` when the observability ConfigMap says `metrics-protocol: prometheus`; \
    nothing is served by default. Names without `millrace_` or `process_` are those of the Java data \
    plane. A histogram also has `<name>_max`, the maximum of the last three minutes.\n\n";

#[test]
fn the_metrics_page_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let fresh = format!("{HEAD}{}", describe());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, &fresh).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(written == fresh, "docs/metrics.md is stale: UPDATE=1 cargo test -p millrace-observe");
}
