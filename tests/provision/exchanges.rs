//! How often is spoken with a guest, and how many bytes go there: counted, not timed.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use trustnet_core::provision::Program;
use trustnet_host::provision::Blobs;
use trustnet_host::shell::{Exit, Fetched, ReadWrite, Shell, ShellError, Stream};

use crate::sshd::Sshd;
use crate::stage::{Folder, PATIENCE, Things, bring_over, program_of};

/// What went over a connection: exchanges and bytes.
#[derive(Default)]
struct Count {
    exchanges: AtomicU64,
    bytes: AtomicU64,
}

struct Counting(Box<dyn Shell>, Arc<Count>);

struct Counted<'a>(&'a mut dyn Read, &'a Count);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Shell for Counting {
    fn run(
        &mut self,
        command: &str,
        input: &mut dyn Read,
        limit: Duration,
        each: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, ShellError> {
        self.1.exchanges.fetch_add(1, Ordering::Relaxed);
        self.0
            .run(command, &mut Counted(input, &self.1), limit, each)
    }

    fn put(
        &mut self,
        source: &mut dyn Read,
        size: u64,
        path: &str,
        mode: u32,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ShellError> {
        self.1.exchanges.fetch_add(1, Ordering::Relaxed);
        let mut source = Counted(source, &self.1);
        self.0.put(&mut source, size, path, mode, progress)
    }

    fn get(
        &mut self,
        path: &str,
        sink: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Fetched, ShellError> {
        self.1.exchanges.fetch_add(1, Ordering::Relaxed);
        self.0.get(path, sink, progress)
    }

    fn dial(
        &mut self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Box<dyn ReadWrite + '_>, ShellError> {
        self.1.exchanges.fetch_add(1, Ordering::Relaxed);
        self.0.dial(host, port, limit)
    }
}

/// Brings a program; how many steps were taken, in how many exchanges, with how many bytes.
pub fn counted(guest: &Sshd, program: &Program, blobs: &dyn Blobs) -> (usize, u64, u64) {
    let count = Arc::new(Count::default());
    let connect = || -> Result<Box<dyn Shell>, ShellError> {
        Ok(Box::new(Counting(guest.connect(), Arc::clone(&count))))
    };
    let taken = bring_over(&connect, program, blobs, PATIENCE, &|_| {}).taken();
    (
        taken,
        count.exchanges.load(Ordering::Relaxed),
        count.bytes.load(Ordering::Relaxed),
    )
}

/// A service of so many files, each of this many bytes.
fn files(number: usize, size: usize) -> Program {
    let mut text = String::from(
        "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: files }\nspec:\n  version: \"1\"\n  files:\n",
    );
    for index in 0..number {
        let content = format!("{index:04}").repeat(size / 4);
        writeln!(
            text,
            "    - {{ path: /etc/files/{index}, content: \"{content}\" }}"
        )
        .expect("a line");
    }
    program_of(&[&text], json!([{"name": "files"}]), &Things::default())
}

#[test]
fn one_exchange_decides_that_there_is_nothing_to_do_and_sends_no_payload() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let small = files(20, 4);
    counted(&guest, &small, &nothing);
    let (taken, exchanges, bytes) = counted(&guest, &small, &nothing);
    assert_eq!((taken, exchanges), (0, 1));
    // As many bytes, however large the files are.
    let large = files(20, 40_000);
    counted(&guest, &large, &nothing);
    assert_eq!(counted(&guest, &large, &nothing), (0, 1, bytes));
}

#[test]
fn twenty_files_need_no_more_exchanges_than_one() {
    let mut found = Vec::new();
    for number in [1, 20] {
        let guest = Sshd::in_root();
        let nothing = Folder(guest.shared("none"));
        let (taken, exchanges, _) = counted(&guest, &files(number, 4), &nothing);
        assert_eq!(taken, number);
        found.push(exchanges);
    }
    // Looking and doing; and one more where the doing takes a moment.
    assert!(
        found.iter().all(|count| (2..=4).contains(count)),
        "{found:?}"
    );
    assert!(found[1] <= found[0] + 2, "{found:?}");
}

#[test]
fn an_artifact_goes_once_and_not_again() {
    let guest = Sshd::in_root();
    let cache = Folder::beside(&guest);
    let text = "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: tool }\nspec:\n  version: \"1\"\n  artifacts:\n    - { name: tool, file: tool, install: { path: /usr/local/bin/tool } }\n  files:\n    - { path: /etc/tool, content: 'GREETING' }\n";
    let blob = cache.put(&vec![7; 1_000_000]);
    let program = |greeting: &str| {
        let things = Things {
            artifacts: [("tool".to_owned(), blob.clone())].into(),
            ..Things::default()
        };
        let text = text.replace("GREETING", greeting);
        program_of(&[&text], json!([{"name": "tool"}]), &things)
    };
    let (_, _, first) = counted(&guest, &program("hello"), &cache);
    assert!((1_000_000..1_200_000).contains(&first), "{first}");
    let (taken, _, changed) = counted(&guest, &program("bye"), &cache);
    assert_eq!(taken, 1);
    assert!(changed < 200_000, "{changed}");
}
