//! One command in the guest: the script and its program go in as an archive, lines come out.

use std::io::{Cursor, Read};
use std::time::Duration;

use rand_core::{OsRng, RngCore};
use trustnet_core::artifact::digest::hex;
use trustnet_core::provision::{Step, files};
use trustnet_core::readiness::clean;

use super::ProvisionError;
use crate::shell::{Shell, Stream};

/// What the script is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Say how the steps stand.
    Check,
    /// Take them; whether they are the last ones, after which nothing that was sent is needed.
    Run { last: bool },
    /// Say how their units are.
    Unit,
}

/// The command line of each: fixed, so that no value ever stands in one.
const CHECK: &str = "umask 077; [ -d /run/trustnet-vm ] || mkdir -p /run/trustnet-vm; d=$(mktemp -d /run/trustnet-vm/run.XXXXXX) && tar -xf - -C \"$d\" && exec sh \"$d/provision.sh\" check";
const RUN: &str = "umask 077; [ -d /run/trustnet-vm ] || mkdir -p /run/trustnet-vm; d=$(mktemp -d /run/trustnet-vm/run.XXXXXX) && tar -xf - -C \"$d\" && exec sh \"$d/provision.sh\" run";
const UNIT: &str = "umask 077; [ -d /run/trustnet-vm ] || mkdir -p /run/trustnet-vm; d=$(mktemp -d /run/trustnet-vm/run.XXXXXX) && tar -xf - -C \"$d\" && exec sh \"$d/provision.sh\" unit";
const FOLLOW: &str =
    "read -r d from && exec sh \"/run/trustnet-vm/$d/provision.sh\" follow \"$from\"";

/// How long one exchange may take: each is short, whatever the steps take.
const LIMIT: Duration = Duration::from_secs(120);
/// The longest line.
const LONGEST: usize = 64 * 1024;

/// A line that came out.
pub(super) enum Line<'a> {
    /// Of the script: its fields.
    Ours(&'a [&'a str]),
    /// Of some command, harmless for a terminal.
    Output(&'a str),
}

/// A run of the script, and what has come of its last line so far.
pub(super) struct Exchange {
    token: String,
    /// A line whose end has not come yet.
    partial: Vec<u8>,
    /// The last line, as long as it may turn out to be cut.
    held: Option<Vec<u8>>,
    /// A line that one exchange has cut and the next one goes on with: a secret is masked in whole lines.
    cut: Vec<u8>,
}

impl Exchange {
    pub fn new() -> Self {
        let mut random = [0; 12];
        OsRng.fill_bytes(&mut random);
        Self {
            token: hex(&random),
            partial: Vec::new(),
            held: None,
            cut: Vec::new(),
        }
    }

    /// Sends a program and hears what the script says.
    ///
    /// # Errors
    /// The connection is gone, or time is up.
    pub fn send(
        &mut self,
        shell: &mut dyn Shell,
        mode: Mode,
        steps: &[(usize, &Step)],
        each: &mut dyn FnMut(Line<'_>),
    ) -> Result<(), ProvisionError> {
        let archive = self.pack(steps, mode)?;
        let command = match mode {
            Mode::Check => CHECK,
            Mode::Run { .. } => RUN,
            Mode::Unit => UNIT,
        };
        self.run(shell, command, &mut Cursor::new(archive), each)
    }

    /// Hears more: `folder` and `from` are what the last line said.
    ///
    /// # Errors
    /// The connection is gone, or time is up.
    pub fn follow(
        &mut self,
        shell: &mut dyn Shell,
        folder: &str,
        from: u64,
        each: &mut dyn FnMut(Line<'_>),
    ) -> Result<(), ProvisionError> {
        let ask = format!("{folder} {from}\n");
        self.run(shell, FOLLOW, &mut ask.as_bytes(), each)
    }

    fn run(
        &mut self,
        shell: &mut dyn Shell,
        command: &str,
        input: &mut dyn Read,
        each: &mut dyn FnMut(Line<'_>),
    ) -> Result<(), ProvisionError> {
        self.partial = std::mem::take(&mut self.cut);
        shell.run(command, input, LIMIT, &mut |stream, bytes| match stream {
            Stream::Out => self.push(bytes, each),
            Stream::Err => {
                for line in String::from_utf8_lossy(bytes).lines() {
                    each(Line::Output(&clean(line)));
                }
            }
        })?;
        let rest = std::mem::take(&mut self.partial);
        self.line(rest, each);
        self.release(each);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Line<'_>)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() > LONGEST {
                let line = std::mem::take(&mut self.partial);
                self.line(line, each);
            }
        }
    }

    fn line(&mut self, bytes: Vec<u8>, each: &mut dyn FnMut(Line<'_>)) {
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        let ours = text
            .strip_prefix(&self.token)
            .and_then(|rest| rest.strip_prefix('\t'));
        match ours {
            Some(fields) => {
                let fields: Vec<&str> = fields.split('\t').collect();
                // The script ends what stood before its own line: one that had its end has an empty one behind it.
                if fields.first() == Some(&"more") {
                    self.cut = self.held.take().unwrap_or_default();
                    let end = self.cut.ends_with(b"\n");
                    self.cut.truncate(self.cut.len() - usize::from(end));
                }
                self.release(each);
                each(Line::Ours(&fields));
            }
            None => {
                self.release(each);
                let empty = text.is_empty();
                self.held = (!empty).then_some(bytes);
            }
        }
    }

    /// Lets the last line go: it is whole.
    fn release(&mut self, each: &mut dyn FnMut(Line<'_>)) {
        if let Some(line) = self.held.take() {
            let line = String::from_utf8_lossy(&line);
            each(Line::Output(&clean(line.trim_end_matches(['\n', '\r']))));
        }
    }

    /// The script, the steps and the token as an archive: the same for the same, but for the token.
    fn pack(&self, steps: &[(usize, &Step)], mode: Mode) -> Result<Vec<u8>, ProvisionError> {
        let mut all = files(steps, matches!(mode, Mode::Run { .. }));
        if mode == (Mode::Run { last: true }) {
            all.insert("last".to_owned(), (0o600, Vec::new()));
        }
        let token = format!("{}\n", self.token);
        all.insert("token".to_owned(), (0o600, token.into_bytes()));
        let mut archive = tar::Builder::new(Vec::new());
        let packed = (|| {
            for folder in ["steps/", "payload/"] {
                add(&mut archive, folder, tar::EntryType::Directory, 0o700, b"")?;
            }
            for (name, (mode, bytes)) in &all {
                add(&mut archive, name, tar::EntryType::Regular, *mode, bytes)?;
            }
            archive.into_inner()
        })();
        packed.map_err(|error| ProvisionError::Guest {
            doing: "get its program",
            said: vec![error.to_string()],
        })
    }
}

fn add(
    archive: &mut tar::Builder<Vec<u8>>,
    name: &str,
    kind: tar::EntryType,
    mode: u32,
    bytes: &[u8],
) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, name, bytes)
}

#[cfg(test)]
mod tests {
    use super::{Exchange, Line};

    /// What is said in exchanges that follow each other, each with its output.
    fn heard(outputs: &[&str]) -> Vec<String> {
        let mut exchange = Exchange::new();
        let token = exchange.token.clone();
        let mut lines = Vec::new();
        let mut each = |line: Line<'_>| {
            lines.push(match line {
                Line::Ours(fields) => fields.join(" "),
                Line::Output(line) => format!("| {line}"),
            });
        };
        for output in outputs {
            exchange.partial = std::mem::take(&mut exchange.cut);
            exchange.push(output.replace("TOKEN", &token).as_bytes(), &mut each);
            let rest = std::mem::take(&mut exchange.partial);
            exchange.line(rest, &mut each);
            exchange.release(&mut each);
        }
        lines
    }

    #[test]
    fn a_line_that_comes_in_two_exchanges_is_one() {
        let lines = heard(&[
            "one\nhunt\nTOKEN\tmore\trun.a\t8\n",
            "er22\n\nTOKEN\tmore\trun.a\t13\n",
            "\nTOKEN\tdo\nTOKEN\tmore\trun.a\t30\n",
            "two\nno end\nTOKEN\tend\n",
        ]);
        let expected = [
            "| one",
            "more run.a 8",
            "| hunter22",
            "more run.a 13",
            "do",
            "more run.a 30",
            "| two",
            "| no end",
            "end",
        ];
        assert_eq!(lines, expected);
    }
}
