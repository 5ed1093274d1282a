//! What a service logs: lines on stdout, each a JSON object if nothing else is configured.

use tracing_subscriber::EnvFilter;
use trustnet_api::network::{LogFormat, LogLevel};

/// Logs from now on. A second time nothing happens: the first who says how it is done is heard.
pub fn start(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_ansi(false);
    // It fails if logging was started before.
    let _ = match format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.try_init(),
    };
}
