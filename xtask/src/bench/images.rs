//! Images on their way into pools and as they are checked, beside what copies, uploads, fetches, hashes and converts
//! files alone. Whole processes, all to the same file system.

/// What is to stay below a number: the time of a disk upon an image, and memory.
mod bounds;
/// The images that are brought, and the pools that they are brought into.
mod files;
/// A server of files on loopback that does nothing but send them.
mod server;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::contest::{self, Contestant, Outcome};
use super::rows::Row;
use super::stage::Stage;
use crate::{process, speak};
use files::{Files, Sharing};

/// What the program is built from that has disks made upon images.
pub const EXAMPLE: [&str; 4] = ["--package", "trustnet-host", "--example", "clone"];
/// The pool, and the one that shares data between files.
const POOL: &str = "bench-images";
const SHARING: &str = "bench-sharing";
/// Where both are; the daemon has its files there, too.
const POOLS: &str = "/var/lib/libvirt/images";
/// What is brought.
const RAW: &str = "new.raw";
const QCOW2: &str = "new.qcow2";
/// What peers bring.
const OTHER: &str = "other";

/// Installs what the rows need, with `yes`; a row that cannot be measured says so.
pub fn prepare(yes: bool) -> Result<()> {
    if process::exists("mkfs.btrfs") || !yes {
        return Ok(());
    }
    let install = ["install", "--yes", "--no-install-recommends", "btrfs-progs"];
    process::run(Command::new("apt-get").args(install))
}

/// Measures.
pub fn rows(stage: &Stage, rounds: usize) -> Result<Vec<Row>> {
    let pool = Path::new(POOLS).join(POOL);
    files::pool(stage, POOL, &pool)?;
    let files = Files::make(stage)?;
    let bench = Bench {
        stage,
        files: &files,
        pool,
        rounds,
    };
    let mut rows = vec![
        bench.import(&files.raw, RAW, "import of a sparse raw disk of 2 GiB"),
        bench.import(&files.qcow2, QCOW2, "import of a sparse qcow2 of 2 GiB"),
        bench.share(),
        bench.upload(),
        bench.verify()?,
    ];
    for algorithm in ["sha256", "sha512"] {
        rows.push(bench.pull(algorithm)?);
    }
    rows.push(bench.convert());
    rows.push(bench.clone()?);
    rows.push(bench.memory()?);
    Ok(rows)
}

struct Bench<'a> {
    stage: &'a Stage,
    files: &'a Files,
    /// The folder of the pool.
    pool: PathBuf,
    rounds: usize,
}

impl Bench<'_> {
    /// A verb of `image`, in the pool.
    fn image<'b>(&self, pool: &'b str, arguments: impl IntoIterator<Item = &'b OsStr>) -> Command {
        let mut command = self.stage.program(["image"]);
        command.args(arguments).args(["--pool", pool]);
        // In the file system of the pool, as at most users'.
        command.env("XDG_CACHE_HOME", cache());
        command
    }

    fn import_of(&self, pool: &str, file: &Path, name: &str) -> Command {
        let arguments = [
            "import".as_ref(),
            file.as_os_str(),
            "--name".as_ref(),
            name.as_ref(),
        ];
        self.image(pool, arguments)
    }

    fn delete(&self, pool: &str, name: &str) -> Command {
        self.image(pool, ["delete".as_ref(), "--yes".as_ref(), name.as_ref()])
    }

    /// A contestant that brings something.
    fn brings(&self, name: &'static str, command: Command, image: &str) -> Contestant {
        Contestant {
            name,
            command,
            clean: vec![self.delete(POOL, image)],
        }
    }

    /// A peer that makes a file, once with what has it survive a loss of power, and once without.
    fn writes(
        &self,
        names: [&'static str; 2],
        script: &str,
        arguments: &[&OsStr],
    ) -> [Contestant; 2] {
        let file = self.pool.join(OTHER);
        let both = [format!("{script} && sync \"$0\""), script.to_owned()];
        let mut names = names.into_iter();
        both.map(|script| {
            let mut command = self.stage.at_home("sh");
            command.arg("-c").arg(script).arg(&file).args(arguments);
            let mut remove = Command::new("rm");
            remove.arg("-f").arg(&file);
            Contestant {
                name: names.next().unwrap_or_default(),
                command,
                clean: vec![remove],
            }
        })
    }

    fn import(&self, file: &Path, name: &str, what: &str) -> Row {
        let peers = self.writes(
            ["cp --sparse=always, sync", "cp --sparse=always"],
            "cp --sparse=always \"$1\" \"$0\"",
            &[file.as_os_str()],
        );
        let ours = self.brings("trustnet-vm", self.import_of(POOL, file, name), name);
        let outcomes = contest::run(what, [ours].into_iter().chain(peers).collect(), self.rounds);
        at_least(
            format!("{what} against `cp --sparse=always` and `sync` of the file"),
            outcomes,
            0.9,
            "at least 0.9 ×",
        )
    }

    /// Where data is shared nothing is copied.
    fn share(&self) -> Row {
        let what = "import of 2 GiB of data against that of 0.5 GiB, on btrfs";
        let outcomes = self.shared(what).unwrap_or_else(|error| {
            let why = format!("{error:#}");
            speak::note(&format!("bench: {what}: {why}"));
            vec![Outcome {
                name: "trustnet-vm",
                times: Err(why),
            }]
        });
        let ratio = outcomes.get(1).and_then(|less| outcomes[0].ratio(less));
        Row {
            what: what.to_owned(),
            found: ratio.map_or_else(unmeasured, |ratio| format!("{ratio:.2} × as long")),
            must: "as long (at most 1.25 ×)",
            reached: ratio.map(|ratio| ratio <= 1.25),
            note: None,
            outcomes,
        }
    }

    fn shared(&self, what: &str) -> Result<Vec<Outcome>> {
        let at = Path::new(POOLS).join(SHARING);
        let _mounted = Sharing::mount(self.stage, &at)?;
        let images = at.join("images");
        files::pool(self.stage, SHARING, &images)?;
        let mut contestants = Vec::new();
        for (name, length) in [("2 GiB", files::LARGE), ("0.5 GiB", files::LARGE / 4)] {
            let file = at.join(length.to_string());
            files::raw(&file, length, length)?;
            contestants.push(Contestant {
                name,
                command: self.import_of(SHARING, &file, RAW),
                clean: vec![self.delete(SHARING, RAW)],
            });
        }
        process::output(Command::new("sync").arg("-f").arg(&at))?;
        let outcomes = contest::run(what, contestants, self.rounds);
        process::output(self.stage.at_home("virsh").args(["pool-destroy", SHARING]))?;
        process::output(self.stage.at_home("virsh").args(["pool-undefine", SHARING]))?;
        Ok(outcomes)
    }

    /// Where this process may not write the pool's folder the daemon does it.
    fn upload(&self) -> Row {
        let what = "import through a stream of a sparse raw disk of 2 GiB";
        let mut ours = self.stage.at_home("unshare");
        let read_only =
            "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
        ours.args(["--mount", "sh", "-c", read_only])
            .arg(&self.pool);
        let import = self.import_of(POOL, &self.files.raw, RAW);
        ours.arg(import.get_program())
            .args(import.get_args())
            .env("XDG_CACHE_HOME", cache());
        let mut virsh = self.stage.at_home("virsh");
        virsh.arg("--quiet").arg(format!(
            "vol-create-as {POOL} {OTHER} {} --allocation 0 --format raw; vol-upload {OTHER} {} --pool {POOL} --sparse",
            files::LARGE,
            self.files.raw.display()
        ));
        let mut delete = self.stage.at_home("virsh");
        delete.args(["vol-delete", OTHER, "--pool", POOL]);
        let contestants = vec![
            self.brings("trustnet-vm", ours, RAW),
            Contestant {
                name: "virsh",
                command: virsh,
                clean: vec![delete],
            },
        ];
        let outcomes = contest::run(what, contestants, self.rounds);
        at_least(
            format!("{what} against `virsh vol-upload --sparse`"),
            outcomes,
            0.9,
            "at least 0.9 ×",
        )
    }

    fn verify(&self) -> Result<Row> {
        let what = "`image verify` of a raw disk of 2 GiB";
        process::output(&mut self.import_of(POOL, &self.files.raw, RAW))?;
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256"]).arg(self.pool.join(RAW));
        let contestants = vec![
            Contestant::plain(
                "trustnet-vm",
                self.image(POOL, ["verify".as_ref(), RAW.as_ref()]),
            ),
            Contestant::plain("openssl", openssl),
        ];
        let outcomes = contest::run(what, contestants, self.rounds);
        process::output(&mut self.delete(POOL, RAW))?;
        Ok(at_least(
            format!("{what} against `openssl dgst -sha256`"),
            outcomes,
            0.95,
            "at least 0.95 ×",
        ))
    }

    /// What is pulled from a server on loopback, and its checksum.
    fn pulled(&self, algorithm: &str) -> Result<(String, Command)> {
        let address = server::serve(&self.files.dense)?;
        let url = format!("http://{address}/{RAW}");
        let digest = Command::new("openssl")
            .args(["dgst", "-r", &format!("-{algorithm}")])
            .arg(&self.files.dense)
            .output()
            .context("failed to start openssl")?;
        let digest = String::from_utf8_lossy(&digest.stdout);
        let digits = digest.split_whitespace().next().unwrap_or_default();
        let checksum = format!("{algorithm}:{digits}");
        let arguments = ["pull", &url, "--name", RAW, "--checksum", &checksum];
        let pull = self.image(POOL, arguments.iter().map(AsRef::as_ref));
        Ok((url, pull))
    }

    fn pull(&self, algorithm: &'static str) -> Result<Row> {
        let what = format!("pull of 400 MiB over loopback with a checksum of {algorithm}");
        let (url, pull) = self.pulled(algorithm)?;
        let peers = self.writes(
            ["curl, openssl, sync", "curl, openssl"],
            "curl --silent --show-error --output \"$0\" \"$1\" && openssl dgst \"$2\" \"$0\"",
            &[url.as_ref(), format!("-{algorithm}").as_ref()],
        );
        let ours = self.brings("trustnet-vm", pull, RAW);
        let contestants = [ours].into_iter().chain(peers).collect();
        let outcomes = contest::run(&what, contestants, self.rounds);
        Ok(at_least(
            format!("{what} against `curl`, `openssl dgst` and `sync` of the file"),
            outcomes,
            1.0,
            "not slower",
        ))
    }

    fn convert(&self) -> Row {
        let what = "import of a sparse raw disk of 2 GiB as qcow2";
        let mut convert = self.import_of(POOL, &self.files.raw, QCOW2);
        convert.arg("--convert");
        let peers = self.writes(
            ["qemu-img convert, sync", "qemu-img convert"],
            "qemu-img convert -f raw -O qcow2 \"$1\" \"$0\"",
            &[self.files.raw.as_os_str()],
        );
        let ours = self.brings("trustnet-vm", convert, QCOW2);
        let outcomes = contest::run(what, [ours].into_iter().chain(peers).collect(), self.rounds);
        at_least(
            format!("{what} against `qemu-img convert` and `sync` of the file"),
            outcomes,
            0.9,
            "at least 0.9 ×",
        )
    }
}

/// Where downloads are on their way.
fn cache() -> PathBuf {
    Path::new(POOLS).join("cache")
}

fn unmeasured() -> String {
    "not measured".to_owned()
}

/// How fast ours is beside the first peer, and beside the one that promises less, where there is one.
fn at_least(what: String, outcomes: Vec<Outcome>, least: f64, must: &'static str) -> Row {
    let ratio = outcomes[1].ratio(&outcomes[0]);
    let without = outcomes.get(2).and_then(|peer| peer.ratio(&outcomes[0]));
    let without = without.map_or_else(String::new, |ratio| {
        format!("; {ratio:.2} × without `sync`")
    });
    Row {
        what,
        found: ratio.map_or_else(unmeasured, |ratio| format!("{ratio:.2} × as fast{without}")),
        must,
        reached: ratio.map(|ratio| ratio >= least),
        note: None,
        outcomes,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Outcome, at_least};

    #[test]
    fn what_survives_a_loss_of_power_is_judged_beside_what_does_too() {
        let took = |seconds| Outcome {
            name: "one",
            times: Ok(vec![Duration::from_secs(seconds)]),
        };
        let row = at_least(String::new(), vec![took(10), took(9), took(5)], 0.9, "");
        assert_eq!(row.found, "0.90 × as fast; 0.50 × without `sync`");
        assert_eq!(row.reached, Some(true));
        let row = at_least(String::new(), vec![took(100), took(89)], 0.9, "");
        assert_eq!(
            (row.found.as_str(), row.reached),
            ("0.89 × as fast", Some(false))
        );
    }
}
