//! The one place that prints. Standard output is the result that was asked for; everything else goes
//! to standard error.

#![expect(clippy::print_stderr, reason = "this is where the program speaks")]

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use trustnet_core::readiness::clean;
use trustnet_host::shell::Stream;

use crate::args::Color;
use crate::env::Env;
use crate::failure::{Exit, Failure};

/// How often somebody who waits for an answer looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How the program speaks.
pub struct Ui {
    color_out: bool,
    color_err: bool,
    /// Whether standard output and standard error are terminals.
    terminals: [bool; 2],
    quiet: bool,
    verbose: u8,
    live: Option<MultiProgress>,
    /// Keeps what several threads say in whole lines.
    lock: Mutex<()>,
    /// Why a piece of the result was not written, the first time.
    unwritten: OnceLock<std::io::Error>,
    /// Whether nobody reads what guests say any more (`| head`).
    unread: AtomicBool,
}

/// A line of progress that changes while something goes on.
pub struct Progress<'a> {
    ui: &'a Ui,
    name: String,
    begun: Instant,
    bar: Option<ProgressBar>,
}

/// What a guest's command says on a stream. A terminal gets it line by line, with nothing in it that a
/// terminal obeys; so does who reads several guests, with their names before each line. Else it goes through
/// as it is.
pub struct Speech<'a> {
    ui: &'a Ui,
    stream: Stream,
    prefix: String,
    whole: bool,
    line: Vec<u8>,
}

/// No line is longer: what is, is cut in two.
const LINE: usize = 64 * 1024;

impl Speech<'_> {
    /// Takes a piece.
    pub fn take(&mut self, bytes: &[u8]) {
        if !self.whole {
            return self.ui.pass(self.stream, bytes);
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend(piece);
            if self.line.ends_with(b"\n") || self.line.len() > LINE {
                self.end();
            }
        }
    }

    /// Shows what is left.
    pub fn end(&mut self) {
        if !self.line.is_empty() {
            let line = clean(&String::from_utf8_lossy(&self.line));
            self.ui
                .pass(self.stream, format!("{}{line}\n", self.prefix).as_bytes());
            self.line.clear();
        }
    }
}

impl Ui {
    /// Decides once how to speak.
    #[must_use]
    pub fn new(color: Color, quiet: bool, verbose: u8, env: &Env) -> Self {
        let no_color = env.text("NO_COLOR").is_some_and(|text| !text.is_empty());
        let wanted = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !no_color && env.text("TERM").as_deref() != Some("dumb"),
        };
        // Hidden on a terminal that cannot go back in its line (TERM=dumb): plain lines there.
        let live = (env.stderr_terminal && !quiet)
            .then(MultiProgress::new)
            .filter(|live| !live.is_hidden());
        Self {
            color_out: wanted(env.stdout_terminal),
            color_err: wanted(env.stderr_terminal),
            terminals: [env.stdout_terminal, env.stderr_terminal],
            quiet,
            verbose,
            live,
            lock: Mutex::new(()),
            unwritten: OnceLock::new(),
            unread: AtomicBool::new(false),
        }
    }

    /// Whether who read what guests say went away: who goes on for ever ends then.
    #[must_use]
    pub fn unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether `-v` was given.
    #[must_use]
    pub fn verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Prints a piece of the result, as it is. A reader that went away (`| head`) ends the program
    /// quietly at its own end.
    pub fn result(&self, text: impl Display) {
        let print = || {
            let mut out = std::io::stdout().lock();
            if let Err(error) = write!(out, "{text}").and_then(|()| out.flush())
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                // Only the first counts.
                let _ = self.unwritten.set(error);
            }
        };
        self.around(print);
    }

    /// Prints a piece of what a guest's command says, to where it said it.
    fn pass(&self, stream: Stream, bytes: &[u8]) {
        self.around(|| {
            let written = match stream {
                Stream::Out => {
                    let mut out = std::io::stdout().lock();
                    out.write_all(bytes).and_then(|()| out.flush())
                }
                Stream::Err => std::io::stderr().lock().write_all(bytes),
            };
            match written {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    self.unread.store(true, Ordering::Relaxed);
                }
                Err(error) => {
                    // Only the first counts.
                    let _ = self.unwritten.set(error);
                }
                Ok(()) => {}
            }
        });
    }

    /// What a guest's command says on a stream, to be shown as it comes.
    #[must_use]
    pub fn guest(&self, stream: Stream, prefix: &str) -> Speech<'_> {
        let terminal = self.terminals[usize::from(stream == Stream::Err)];
        Speech {
            ui: self,
            stream,
            prefix: prefix.to_owned(),
            whole: terminal || !prefix.is_empty(),
            line: Vec::new(),
        }
    }

    /// Whether all of the result was written, as far as somebody reads it.
    ///
    /// # Errors
    /// It was not: the disk is full, say.
    pub fn written(&self) -> Result<(), Failure> {
        match self.unwritten.get() {
            None => Ok(()),
            Some(error) => Err(Failure::new(
                Exit::Usage,
                format!("failed to write to standard output: {error}"),
            )),
        }
    }

    /// Says something that is not the result.
    pub fn say(&self, text: impl Display) {
        if !self.quiet {
            self.around(|| eprintln!("{text}"));
        }
    }

    /// Says something that only `-v` wants.
    pub fn detail(&self, text: impl Display) {
        if self.verbose() {
            self.say(text);
        }
    }

    /// Says that something is odd.
    pub fn warn(&self, text: impl Display) {
        let label = self.paint_err("33;1", "warning:");
        self.around(|| eprintln!("{label} {text}"));
    }

    /// Says why the program cannot go on.
    pub fn fail(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        let label = self.paint_err("31;1", "error:");
        self.around(|| {
            eprintln!("{label} {}", failure.message);
            if let Some(hint) = &failure.hint {
                eprintln!("{} {hint}", self.paint_err("36;1", "hint:"));
            }
        });
    }

    /// Paints for standard output.
    #[must_use]
    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.color_out {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Says something that even `--quiet` does not hide.
    pub fn always(&self, text: impl Display) {
        self.around(|| eprintln!("{text}"));
    }

    /// Paints for standard error.
    #[must_use]
    pub fn paint_err(&self, code: &str, text: &str) -> String {
        if self.color_err {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Begins a line of progress for a VM.
    pub fn progress(&self, name: &str) -> Progress<'_> {
        let bar = self.live.as_ref().map(|live| {
            let bar = live.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg} ({elapsed})")
            {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Progress {
            ui: self,
            name: name.to_owned(),
            begun: Instant::now(),
            bar,
        }
    }

    /// Asks a yes-or-no question on the terminal; none where `stop` says so before there is an answer.
    pub fn ask(&self, question: &str, stop: &dyn Fn() -> bool) -> Option<bool> {
        self.around(|| eprint!("{question} [y/N] "));
        let (send, answers) = mpsc::channel();
        // Whoever reads a line waits for it through every signal.
        thread::spawn(move || {
            let mut answer = String::new();
            // No answer is no.
            let _ = std::io::stdin().read_line(&mut answer);
            let _ = send.send(answer);
        });
        loop {
            match answers.recv_timeout(LOOK) {
                Ok(answer) => {
                    let answer = answer.trim().to_ascii_lowercase();
                    return Some(matches!(answer.as_str(), "y" | "yes"));
                }
                Err(mpsc::RecvTimeoutError::Timeout) if !stop() => {}
                Err(_) => {
                    // The line of the question.
                    self.around(|| eprintln!());
                    return None;
                }
            }
        }
    }

    /// Prints around the live lines, whole.
    fn around(&self, print: impl FnOnce()) {
        let _whole = self.lock.lock();
        match &self.live {
            Some(live) => live.suspend(print),
            None => print(),
        }
    }
}

impl Progress<'_> {
    /// Something begins.
    pub fn begin(&self, what: impl Display) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_string());
        }
    }

    /// Something is done: a line, which on a terminal stands above the line that goes on.
    pub fn done(&self, what: impl Display, took: Duration) {
        let took = took.as_secs_f64();
        self.ui.say(format!("{}: {what} ({took:.2} s)", self.name));
    }

    /// The guest has come to a phase: with the time since all began, for it has no beginning of its own.
    pub fn reached(&self, phase: impl Display) {
        self.begin(format!("guest: {phase}"));
        self.done(format!("guest: {phase}"), self.begun.elapsed());
    }

    /// Something worth a line in any case.
    pub fn note(&self, what: impl Display) {
        self.ui.say(format!("{}: {what}", self.name));
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
