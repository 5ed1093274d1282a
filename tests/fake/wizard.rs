//! The questions of `install`, by somebody who sits at a real (pseudo-)terminal: wrong answers, ways back, other answers
//! from the summary, and Ctrl-C at each question.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{Termios, tcgetattr};

use crate::home::terminal;
use crate::install::{INSTALLS, Stage};

/// How long is waited for what is to be said.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody at a terminal, and the program.
struct Sitting {
    child: Child,
    master: File,
    /// Kept open, so that what was said last can be read.
    slave: File,
    before: Termios,
    said: String,
    /// How much of what was said was waited for already.
    seen: usize,
}

impl Sitting {
    fn begin(stage: &Stage) -> Self {
        let (master, slave) = terminal();
        let before = tcgetattr(&slave).expect("a terminal");
        let copy = || Stdio::from(slave.try_clone().expect("a terminal"));
        let child = stage
            .program()
            .args(ARGS)
            .env("TERM", "xterm")
            .stdin(copy())
            .stdout(copy())
            .stderr(copy())
            .spawn()
            .expect("the program starts");
        Self {
            child,
            master,
            slave,
            before,
            said: String::new(),
            seen: 0,
        }
    }

    /// Takes what is said within a time; false where nothing is.
    fn take(&mut self, time: Duration) -> bool {
        let time = Timespec::try_from(time).expect("a time");
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        if poll(&mut fds, Some(&time)).expect("it can be waited for") == 0 {
            return false;
        }
        let mut bytes = [0; 4096];
        let count = self.master.read(&mut bytes).expect("the terminal is open");
        self.said
            .push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }

    /// Waits until this is said.
    fn until(&mut self, text: &str) {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.said[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "never said: {text:?}\n{}",
                screen(&self.said)
            );
            self.take(Duration::from_millis(100));
        }
    }

    fn types(&mut self, text: &str) {
        rustix::io::write(&self.master, text.as_bytes()).expect("a terminal");
    }

    /// Waits for a question, and answers it.
    fn answer(&mut self, question: &str, text: &str) {
        self.until(question);
        self.types(&format!("{text}\r"));
    }

    /// Waits for the end: the exit code, and the screen.
    fn end(mut self, stage: &Stage) -> (Option<i32>, String) {
        let begun = Instant::now();
        let status = loop {
            self.take(Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "it goes on:\n{}",
                screen(&self.said)
            );
        };
        while self.take(Duration::from_millis(20)) {}
        let after = tcgetattr(&self.slave).expect("a terminal");
        assert_eq!(
            (after.local_modes, after.input_modes, after.output_modes),
            (
                self.before.local_modes,
                self.before.input_modes,
                self.before.output_modes
            ),
            "the terminal is not as it was"
        );
        (status.code(), stage.steady(&screen(&self.said)))
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        // It has ended where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands on the screen in the end: lines that were written over show what was written last.
fn screen(said: &str) -> String {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = said.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => {
                row += 1;
                column = 0;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\r' => column = 0,
            '\u{1b}' => {
                rest.next();
                let mut number = String::new();
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                let count: usize = number.parse().unwrap_or(1);
                match rest.next() {
                    Some('A') => row = row.saturating_sub(count),
                    Some('B') => row = (row + count).min(lines.len() - 1),
                    Some('C') => column += count,
                    Some('D') => column = column.saturating_sub(count),
                    Some('K') if number == "2" => lines[row].clear(),
                    Some('K') => lines[row].truncate(column),
                    _ => {}
                }
            }
            c if c.is_control() => {}
            c => {
                let line = &mut lines[row];
                while line.len() <= column {
                    line.push(' ');
                }
                line[column] = c;
                column += 1;
            }
        }
    }
    let lines = lines.into_iter().map(|line| {
        let line: String = line.into_iter().collect();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

const ARGS: [&str; 8] = [
    "install",
    "--root",
    "machine",
    "--no-wait",
    "--dns-tries",
    "2",
    "--dns-pause",
    "1ms",
];

#[test]
fn a_wizard_takes_wrong_answers_ways_back_and_other_answers_from_the_summary() {
    let stage = Stage::with(&[]);
    let home = &stage.home;
    let before = home.inventory();
    let mut sitting = Sitting::begin(&stage);
    // A question is written once more with its answer: the one after it begins behind what is said to that.
    sitting.answer("Domain name: ", "back");
    sitting.until("this is the first question");
    sitting.answer("Domain name: ", "not a domain");
    sitting.answer("write labels", "?");
    sitting.until("its registries are found as");
    sitting.answer("Domain name: ", "Example.com");
    sitting.answer("select 1/2/3 [root]: ", "back");
    sitting.answer("Domain name: ", "example.org");
    sitting.answer("select 1/2/3 [root]: ", "7");
    sitting.answer("write one of", "3");
    sitting.answer("select 1/2 [vm]: ", "");
    sitting.answer("Node name [node-1]: ", "two words");
    sitting.until("two words`");
    sitting.types("node-2\r");
    sitting.answer("IPv6 address [fd10:1234::2]: ", "10.0.0.1");
    sitting.answer("IPv4", "");
    sitting.answer("Root registry: ", "");
    sitting.answer("Attached to [segment]: ", "");
    sitting.answer("Join token: ", "");
    sitting.until("write the path of a file");
    sitting.types("nowhere\r");
    sitting.until("there is no file");
    sitting.types("token\r");
    sitting.answer("press Enter to continue: ", "");
    sitting.until("Ready to install?");
    assert_eq!(home.inventory(), before, "something was made before a yes");
    // From the summary: another role, and what followed from the one before is asked for anew.
    sitting.answer("to be changed): ", "99");
    sitting.answer("write `yes`, `no`", "2");
    sitting.answer("select 1/2/3 [root]: ", "root");
    sitting.answer("IPv6 address [fd10:1234::253]: ", "");
    sitting.answer("DNS provider: select 1/2/3/4 [manual]: ", "");
    sitting.until("DNS record wanted");
    stage.names.set(&["fd10:1234::253"]);
    sitting.answer("press Enter to continue: ", "");
    sitting.answer("to be changed): ", "yes");
    let (code, said) = sitting.end(&stage);
    assert_eq!(code, Some(0), "{said}");
    assert!(home.state().domains.len() == 1);
    insta::assert_snapshot!(said);
}

#[test]
fn ctrl_c_at_each_question_ends_it_and_nothing_was_made() {
    let stage = Stage::with(&[]);
    let home = &stage.home;
    let before = home.inventory();
    let questions = [
        ("Domain name: ", "example.org"),
        ("select 1/2/3 [root]: ", "2"),
        ("select 1/2 [vm]: ", ""),
        ("Node name [secondary]: ", ""),
        ("IPv6 address [fd10:1234::254]: ", ""),
        ("Root registry: ", "fd10:1234::253"),
        ("Attached to [segment]: ", ""),
        ("Join token: ", "token"),
        ("select 1/2/3/4 [manual]: ", "1"),
        ("press Enter to continue: ", ""),
        ("to be changed): ", "no"),
    ];
    let mut last = String::new();
    for count in 0..=questions.len() {
        let mut sitting = Sitting::begin(&stage);
        for (question, answer) in &questions[..count] {
            sitting.answer(question, answer);
        }
        let expected = match questions.get(count) {
            Some((question, _)) => {
                sitting.until(question);
                sitting.types("half an ans\u{3}");
                9
            }
            None => 1,
        };
        let (code, said) = sitting.end(&stage);
        assert_eq!(code, Some(expected), "{said}");
        assert_eq!(home.inventory(), before, "{said}");
        assert!(!home.path(INSTALLS).exists());
        last = said;
    }
    assert!(last.contains("nothing was installed"), "{last}");
}
