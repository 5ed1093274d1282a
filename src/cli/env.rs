//! The environment of the process, read once and handed down.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use trustnet_host::paths::Paths;

use crate::failure::{Exit, Failure};

/// What the process finds around itself.
#[derive(Debug)]
pub struct Env {
    /// The user's folders; none without a home.
    pub paths: Option<Paths>,
    /// Where the system's configuration lives.
    pub etc: PathBuf,
    /// Whether standard input is a terminal.
    pub stdin_terminal: bool,
    /// Whether standard output is a terminal.
    pub stdout_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_terminal: bool,
    /// The program's own file.
    pub executable: Option<PathBuf>,
    variables: fn(&str) -> Option<OsString>,
}

impl Env {
    /// Reads the process's own.
    #[must_use]
    pub fn read() -> Self {
        let variables: fn(&str) -> Option<OsString> = |name| std::env::var_os(name);
        Self {
            paths: Paths::of_process(variables),
            etc: PathBuf::from("/etc"),
            stdin_terminal: std::io::stdin().is_terminal(),
            stdout_terminal: std::io::stdout().is_terminal(),
            stderr_terminal: std::io::stderr().is_terminal(),
            executable: std::env::current_exe().ok(),
            variables,
        }
    }

    /// A variable.
    pub fn var(&self, name: &str) -> Option<OsString> {
        (self.variables)(name)
    }

    /// A variable that is text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.var(name).and_then(|value| value.into_string().ok())
    }

    /// The user's folders.
    ///
    /// # Errors
    /// There is no home.
    pub fn paths(&self) -> Result<&Paths, Failure> {
        self.paths.as_ref().ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "failed to find the user's folders: HOME is not set",
            )
            .hint("set HOME")
        })
    }
}
