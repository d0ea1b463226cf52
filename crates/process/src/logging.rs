//! Starts the log as the environment says, and says in it what was odd about the settings.

use std::io::IsTerminal;

use millrace_observe::log::{LogConfig, LogError, LogGuard};
use millrace_settings::{Report, Severity, Source};

use crate::env::{CommonEnv, LOG_FORMAT, LOG_LEVEL};

/// Logs from here on, for the whole process, to stdout.
///
/// # Errors
/// See [`LogError`].
pub fn start(source: &dyn Source, env: &CommonEnv) -> Result<LogGuard, LogError> {
    let text = |name| source.text(name).ok().flatten();
    let config = LogConfig::read(
        &env.logging_config,
        text(LOG_LEVEL).as_deref(),
        text(LOG_FORMAT).as_deref(),
        std::io::stdout().is_terminal(),
    );
    config.start()
}

/// One line for each finding, at its severity.
pub fn findings(report: &Report) {
    for finding in report.findings() {
        match finding.severity {
            Severity::Error => tracing::error!("{finding}"),
            Severity::Warning => tracing::warn!("{finding}"),
            Severity::Info => tracing::info!("{finding}"),
        }
    }
}
