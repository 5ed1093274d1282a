//! cloud-init's own account of a boot, judged.

use serde_json::Value;

use super::text::clean_to;

const MAX_MESSAGES: usize = 50;
const MAX_MESSAGE: usize = 500;
const MAX_LOG_LINES: usize = 40;

/// How cloud-init ended, from its files or from `cloud-init status --format json`, of any version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CloudInitStatus {
    /// The command's exit status: 0 done, 1 error, 2 recoverable errors; where it was run.
    pub exit: Option<i32>,
    /// `done`, `error`, `degraded done`, …; where something is known at all.
    pub status: Option<String>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// What went wrong and was survived; cloud-init 23.4 and later.
    pub recoverable_errors: Vec<String>,
    /// The end of cloud-init's output, a line each.
    pub log_tail: Vec<String>,
}

/// What became of cloud-init, and of what else the guest was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Done,
    /// The guest is usable.
    Degraded {
        /// What did not work.
        messages: Vec<String>,
    },
    /// The guest is not what the spec says.
    Failed {
        /// What went wrong, beginning with the module of cloud-init that failed. The command at which
        /// the guest's commands stopped is named where the log's trace shows it.
        reasons: Vec<String>,
        /// The end of cloud-init's output.
        log_tail: Vec<String>,
    },
}

/// Judges how cloud-init ended.
#[must_use]
pub fn judge(status: &CloudInitStatus) -> Verdict {
    let word = status.status.as_deref().unwrap_or_default();
    let failed = |reasons: Vec<String>| Verdict::Failed {
        reasons,
        log_tail: status.log_tail.clone(),
    };
    if !status.errors.is_empty() {
        return failed(
            status
                .errors
                .iter()
                .map(|error| readable(error, &status.log_tail))
                .collect(),
        );
    }
    if status.exit == Some(1) || word.contains("error") {
        return failed(vec![
            "cloud-init reports an error and does not say which".to_owned(),
        ]);
    }
    if word.is_empty() && status.exit != Some(0) {
        return failed(vec!["cloud-init has ended without a result".to_owned()]);
    }
    if !status.recoverable_errors.is_empty() {
        return Verdict::Degraded {
            messages: status.recoverable_errors.clone(),
        };
    }
    Verdict::Done
}

impl Verdict {
    /// The same verdict, with what else has failed in the guest.
    #[must_use]
    pub(super) fn with_failures(self, failures: &[String]) -> Self {
        if failures.is_empty() {
            return self;
        }
        let (own, log_tail) = match self {
            Self::Failed { reasons, log_tail } => (reasons, log_tail),
            Self::Done | Self::Degraded { .. } => (Vec::new(), Vec::new()),
        };
        Self::Failed {
            reasons: [failures, &own].concat(),
            log_tail,
        }
    }
}

impl CloudInitStatus {
    /// From the texts of `/run/cloud-init/status.json` and `result.json`, and the end of the log.
    #[must_use]
    pub fn from_files(status: Option<&str>, result: Option<&str>, log: Option<&str>) -> Self {
        let mut out = Self {
            log_tail: log_lines(log.unwrap_or_default()),
            ..Self::default()
        };
        let parse = |text: Option<&str>| serde_json::from_str::<Value>(text?).ok();
        let stages = parse(status);
        let stages = stages.as_ref().and_then(|s| s["v1"].as_object());
        for stage in stages
            .into_iter()
            .flat_map(|map| map.values())
            .filter(|value| value.is_object())
        {
            out.add_messages(stage);
        }
        if let Some(result) = parse(result) {
            // The result repeats what the stages say; alone it is enough.
            out.add_messages(&result["v1"]);
            if result["v1"].is_object() {
                out.status = Some("done".to_owned());
            }
        }
        out
    }

    /// From the exit status and the output of `cloud-init status --format json`.
    #[must_use]
    pub fn from_command(exit: i32, output: &str) -> Self {
        let mut out = Self {
            exit: Some(exit),
            ..Self::default()
        };
        if let Ok(value) = serde_json::from_str::<Value>(output) {
            let word = value["extended_status"]
                .as_str()
                .or_else(|| value["status"].as_str());
            out.status = word.map(|word| clean_to(word, 40));
            out.add_messages(&value);
        }
        out
    }

    /// Takes `errors` and `recoverable_errors` from an object, each message once.
    fn add_messages(&mut self, object: &Value) {
        for error in object["errors"].as_array().into_iter().flatten() {
            add(&mut self.errors, error);
        }
        for (level, messages) in object["recoverable_errors"]
            .as_object()
            .into_iter()
            .flatten()
        {
            // What is deprecated still works.
            if matches!(level.as_str(), "WARNING" | "ERROR" | "CRITICAL") {
                for message in messages.as_array().into_iter().flatten() {
                    add(&mut self.recoverable_errors, message);
                }
            }
        }
    }
}

fn add(messages: &mut Vec<String>, message: &Value) {
    let text = message
        .as_str()
        .map_or_else(|| message.to_string(), str::to_owned);
    let text = clean_to(&text, MAX_MESSAGE);
    if messages.len() < MAX_MESSAGES && !messages.contains(&text) {
        messages.push(text);
    }
}

fn log_lines(log: &str) -> Vec<String> {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(MAX_LOG_LINES)..]
        .iter()
        .map(|line| clean_to(line, MAX_MESSAGE))
        .collect()
}

/// Takes `('scripts-user', RuntimeError('why'))`, as Python prints it, apart: module, and the error.
fn module_error(error: &str) -> Option<(&str, &str)> {
    let (module, rest) = error.strip_prefix("('")?.split_once("', ")?;
    let plain = !module.is_empty()
        && module
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    plain.then(|| (module, rest.strip_suffix(')').unwrap_or(rest)))
}

/// The error in words; for commands and scripts of the user, the command at which they stopped.
fn readable(error: &str, log: &[String]) -> String {
    let Some((module, rest)) = module_error(error) else {
        return error.to_owned();
    };
    // `RuntimeError('why')` or `RuntimeError("why")`.
    let inner = rest
        .split_once('(')
        .and_then(|(_, inner)| inner.strip_suffix(')'))
        .unwrap_or(rest)
        .trim_end_matches(',');
    let unquoted = ['\'', '"']
        .iter()
        .find_map(|quote| inner.strip_prefix(*quote)?.strip_suffix(*quote));
    let why = unquoted.unwrap_or(inner);
    match last_traced(log)
        .filter(|_| module.replace('_', "-") == "scripts-user" && why.contains("runcmd"))
    {
        Some(command) => format!("{module}: command `{command}` failed"),
        None => format!("{module}: {why}"),
    }
}

/// The last command that `sh -x` has traced.
fn last_traced(log: &[String]) -> Option<&str> {
    log.iter().rev().find_map(|line| line.strip_prefix("+ "))
}
