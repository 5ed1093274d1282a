//! What is to stay below a number: the time of a disk upon an image, and memory.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Bench, POOL, RAW, cache, unmeasured};
use crate::bench::contest::Outcome;
use crate::bench::copy::times;
use crate::bench::rows::Row;
use crate::{paths, process, speak};

/// Quick things run this many times as often as slow ones.
const QUICK: usize = 4;

impl Bench<'_> {
    /// The disk alone: what is asked of libvirt for it.
    pub(super) fn clone(&self) -> Result<Row> {
        let sizes = ["1", "100"];
        speak::note("bench: disks upon images of 1 GiB and 100 GiB");
        for size in sizes {
            let options = ["-q", "-f", "qcow2", "-o", "preallocation=metadata"];
            let mut create = Command::new("qemu-img");
            create.arg("create").args(options);
            process::output(create.arg(self.pool.join(size)).arg(format!("{size}G")))?;
        }
        process::output(self.stage.at_home("virsh").args(["pool-refresh", POOL]))?;
        let mut command = Command::new(paths::target().join("release/examples/clone"));
        command.args(["qemu:///system", &(self.rounds * QUICK).to_string(), POOL]);
        let said = process::output(command.args(sizes)).map_err(|error| format!("{error:#}"));
        let mut names = ["upon 1 GiB", "upon 100 GiB"].into_iter();
        let outcomes = sizes.map(|size| Outcome {
            name: names.next().unwrap_or_default(),
            times: said
                .clone()
                .and_then(|said| times(&said, &format!("{size} "))),
        });
        for size in sizes {
            let path = self.pool.join(size);
            fs::remove_file(&path)
                .with_context(|| format!("failed to remove `{}`", path.display()))?;
        }
        let medians = outcomes[0].median().zip(outcomes[1].median());
        let milliseconds =
            medians.map(|(small, large)| (small.as_secs_f64() * 1e3, large.as_secs_f64() * 1e3));
        let row = Row {
            what: "the boot disk of a VM, upon an image of 1 GiB and upon one of 100 GiB"
                .to_owned(),
            found: milliseconds.map_or_else(unmeasured, |(small, large)| {
                format!("{small:.1} ms, {large:.1} ms")
            }),
            must: "under 20 ms",
            reached: milliseconds.map(|(small, large)| small.max(large) < 20.0),
            note: None,
            outcomes: outcomes.into(),
        };
        speak::note(&format!("  {}", row.found));
        Ok(row)
    }

    /// Of an import that copies, and of a pull with two digests.
    pub(super) fn memory(&self) -> Result<Row> {
        speak::note("bench: peak memory of import and pull");
        let (_, pull) = self.pulled("sha512")?;
        let import = self.import_of(POOL, &self.files.raw, RAW);
        let mut found = Vec::new();
        for command in [import, pull] {
            let mut peak = self.stage.tool("peak", ["peak"]);
            peak.env("XDG_CACHE_HOME", cache());
            peak.arg(command.get_program()).args(command.get_args());
            process::output(&mut peak)?;
            process::output(&mut self.delete(POOL, RAW))?;
            let kib = self.stage.read("peak")?;
            let kib: u32 = kib.trim().parse().context("failed to read the peak")?;
            found.push(f64::from(kib) / 1024.0);
        }
        let row = Row {
            what: "peak memory of an import of 2 GiB, and of a pull of 400 MiB".to_owned(),
            found: format!("{:.1} MiB, {:.1} MiB", found[0], found[1]),
            must: "at most 64 MiB",
            reached: Some(found.iter().all(|mib| *mib <= 64.0)),
            note: None,
            outcomes: Vec::new(),
        };
        speak::note(&format!("  {}", row.found));
        Ok(row)
    }
}
