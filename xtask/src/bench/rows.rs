//! Each row, with what it must reach.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::contest::{self, Contestant, Outcome};
use super::stage::{BIG, IMAGE, NETWORK, Stage, VM};
use super::{copy, peers, provision, registry};
use crate::{process, speak};

/// Domains in the list.
const DOMAINS: u32 = 1000;
/// Quick commands run this many times as often as slow ones.
const QUICK: usize = 2;

/// A row of the report.
pub struct Row {
    /// What is measured.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What it must reach.
    pub must: &'static str,
    /// Whether it does; none where it could not be measured.
    pub reached: Option<bool>,
    /// What one should know to judge it.
    pub note: Option<String>,
    /// The runs behind it.
    pub outcomes: Vec<Outcome>,
}

/// Measures all of them.
pub fn all(stage: &Stage, rounds: usize, guests: usize) -> Result<Vec<Row>> {
    let mut rows = help(stage, rounds * QUICK);
    rows.push(memory(stage)?);
    rows.extend(create(stage, rounds)?);
    rows.extend(list(stage, rounds)?);
    rows.push(ready(stage, guests)?);
    rows.push(super::cache_disk::row());
    rows.push(copied(rounds));
    rows.extend(provisioned(rounds));
    rows.extend(registry::rows());
    Ok(rows)
}

fn copied(rounds: usize) -> Row {
    let mut row = at_most(
        "a file of 500 MB into a guest against `scp` to the same sshd",
        copy::outcomes(rounds),
        1.0,
        "at most 1 ×",
    );
    row.note = Some("Before an artifact of 500 MB leaves for a guest it is hashed once more, which scp does not do, and which is not in the ratio: it is among the runs.".to_owned());
    row
}

fn provisioned(rounds: usize) -> [Row; 3] {
    let measured = provision::measure(rounds * QUICK);
    let more = measured.more_trips;
    let nothing = measured.nothing.first().and_then(Outcome::median);
    [
        Row {
            what: "a run with nothing to do, for a guest".to_owned(),
            found: nothing.map_or_else(
                || "not measured".to_owned(),
                |time| format!("{:.0} ms", time.as_secs_f64() * 1000.0),
            ),
            must: "under 1 s",
            reached: nothing.map(|time| time < Duration::from_secs(1)),
            note: None,
            outcomes: Vec::new(),
        },
        at_most(
            "a run with nothing to do against `ssh HOST true` to the same sshd",
            measured.nothing,
            1.5,
            "at most 1.5 ×",
        ),
        Row {
            what: "round trips of twenty small files into a guest beyond those of one".to_owned(),
            found: more.map_or_else(|| "not measured".to_owned(), |more| format!("{more:.0}")),
            must: "at most 2",
            reached: more.map(|more| more <= 2.0),
            note: None,
            outcomes: measured.files,
        },
    ]
}

fn help(stage: &Stage, rounds: usize) -> Vec<Row> {
    let contestants = vec![
        Contestant::plain("trustnet-vm", stage.program(["--help"])),
        Contestant::plain("C program", stage.tool("linked", [])),
    ];
    let outcomes = contest::run(
        "--help against a C program that links libvirt",
        contestants,
        rounds,
    );
    vec![at_most(
        "`--help` against a C program that links libvirt and returns",
        outcomes,
        1.5,
        "at most 1.5 ×",
    )]
}

fn memory(stage: &Stage) -> Result<Row> {
    speak::note("bench: peak memory of create with an image of 2 GiB");
    let program = stage.program([]);
    let program = program.get_program().to_string_lossy().into_owned();
    process::output(&mut stage.tool(
        "peak",
        ["peak", &program, "create", "--no-wait", "big.yaml"],
    ))?;
    process::output(&mut stage.destroy(BIG))?;
    let kib: u64 = stage
        .read("peak")?
        .trim()
        .parse()
        .context("failed to read the peak")?;
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let mib = kib as f64 / 1024.0;
    speak::note(&format!("  {mib:.1} MiB"));
    Ok(Row {
        what: "peak memory of `create` with an image of 2 GiB".to_owned(),
        found: format!("{mib:.1} MiB"),
        must: "under 40 MiB",
        reached: Some(mib < 40.0),
        note: None,
        outcomes: Vec::new(),
    })
}

fn create(stage: &Stage, rounds: usize) -> Result<Vec<Row>> {
    let gone = |name: &str| {
        let mut destroy = stage.at_home("virsh");
        destroy.args(["destroy", name]);
        let mut undefine = stage.at_home("virsh");
        undefine.args(["undefine", name, "--remove-all-storage"]);
        vec![destroy, undefine]
    };
    let floor = [
        "qemu:///system",
        "foundry-vms",
        "boot.xml",
        "seed.xml",
        "seed.iso",
        "domain.xml",
    ];
    let contestants = vec![
        Contestant {
            name: "trustnet-vm",
            command: stage.program(["create", "--no-wait", "vm.yaml"]),
            clean: vec![stage.destroy(VM)],
        },
        Contestant {
            name: "same calls in C",
            command: stage.tool("floor", floor),
            clean: vec![stage.destroy(VM)],
        },
        Contestant {
            name: "virt-install",
            command: virt_install(stage),
            clean: gone("bench-vi"),
        },
        Contestant {
            name: "kcli",
            command: kcli(stage)?,
            clean: gone("bench-kcli"),
        },
    ];
    let mut outcomes = contest::run("create to \"running\"", contestants, rounds);
    let peers = outcomes.split_off(2);
    let quicker = quickest(&peers);
    let bound = quicker.and_then(|peer| peer.ratio(&outcomes[1]));
    let peers_row = faster(
        "`create` against the quicker of virt-install and kcli",
        &outcomes[0],
        quicker,
        2.0,
        "at least 2 × faster",
    );
    Ok(vec![
        at_most(
            "`create --no-wait` against a program that makes the same libvirt calls",
            outcomes,
            1.25,
            "at most 1.25 ×",
        ),
        Row {
            outcomes: peers,
            note: bound.map(|bound| {
                format!(
                    "What bounds `create` against the peers: the same calls in C are {bound:.2} × faster than the quicker \
                     peer, and no program that asks libvirt for a VM can be quicker than that. Most of the time is \
                     libvirt's own and the same for all: libvirt 11.3 asks QEMU for some 430 properties of the CPU, one \
                     by one, before it says \"running\"."
                )
            }),
            ..peers_row
        },
    ])
}

fn virt_install(stage: &Stage) -> Command {
    let mut command = stage.at_home("virt-install");
    command.args([
        "--import",
        "--name",
        "bench-vi",
        "--memory",
        "768",
        "--vcpus",
        "1",
        "--virt-type",
        "qemu",
    ]);
    command.args([
        "--osinfo",
        "debian11",
        "--cloud-init",
        "user-data=user-data",
        "--autostart",
    ]);
    command.args(["--graphics", "none", "--noautoconsole"]);
    command.arg("--disk").arg(format!(
        "size=4,pool=foundry-images,bus=virtio,backing_store={}",
        Stage::image()
    ));
    command.arg("--network").arg(format!("network={NETWORK}"));
    command
}

fn kcli(stage: &Stage) -> Result<Command> {
    let mut command = stage.at_home(peers::kcli()?);
    command.args(["create", "vm", "--image", IMAGE]);
    let network = format!("nets=[{NETWORK}]");
    // Without these it asks for KVM, nested.
    let kind = ["nested=false", "virttype=qemu", "cpumodel=qemu64"];
    for parameter in [
        "pool=foundry-images",
        "memory=768",
        "numcpus=1",
        "disks=[4]",
        "autostart=true",
        &network,
    ]
    .into_iter()
    .chain(kind)
    {
        command.args(["--param", parameter]);
    }
    command.arg("bench-kcli");
    Ok(command)
}

fn list(stage: &Stage, rounds: usize) -> Result<Vec<Row>> {
    speak::note(&format!("bench: defining {DOMAINS} domains"));
    stage.define(DOMAINS)?;
    let mut virsh = stage.at_home("virsh");
    virsh.args(["list", "--all"]);
    let mut kcli = stage.at_home(peers::kcli()?);
    kcli.args(["list", "vm"]);
    let contestants = vec![
        Contestant::plain("trustnet-vm", stage.program(["list"])),
        Contestant::plain(
            "trustnet-vm -o json, which reads all records",
            stage.program(["list", "-o", "json"]),
        ),
        Contestant::plain("virsh", virsh),
        Contestant::plain("kcli", kcli),
    ];
    let mut outcomes = contest::run("list at 1,000 domains", contestants, rounds);
    stage.undefine(DOMAINS)?;
    let peers = outcomes.split_off(2);
    let ours = &outcomes[0];
    let virsh = faster(
        "`list` at 1,000 domains against `virsh list --all`",
        ours,
        peers.first(),
        1.0,
        "faster",
    );
    let kcli = faster(
        "`list` at 1,000 domains against `kcli list vm`",
        ours,
        peers.get(1),
        10.0,
        "at least 10 × faster",
    );
    outcomes.extend(peers);
    let note = "The table of `list` remembers addresses from earlier lists (`src/host/glance.rs`); `list -o json` reads all \
                records each time, and is what the first list costs."
        .to_owned();
    let note = Some(note);
    Ok(vec![
        virsh,
        Row {
            note,
            outcomes,
            ..kcli
        },
    ])
}

/// From the guest's word, as the program has it from the channel, to the end of the program.
fn ready(stage: &Stage, guests: usize) -> Result<Row> {
    speak::note("bench: from the guest's \"ready\" to the end of create");
    let mut times = Vec::new();
    for _ in 0..guests {
        let mut command = stage.program(["create", "--verbose", "--timeout", "15m", "vm.yaml"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("failed to start trustnet-vm")?;
        let errors = child.stderr.take().context("there is no stderr")?;
        let mut heard = None;
        for line in BufReader::new(errors).lines() {
            if line
                .context("failed to read what trustnet-vm says")?
                .contains("guest: ready")
            {
                heard.get_or_insert_with(Instant::now);
            }
        }
        let status = child.wait().context("failed to wait for trustnet-vm")?;
        let ended = Instant::now();
        process::output(&mut stage.destroy(VM))?;
        let Some(heard) = heard.filter(|_| status.success()) else {
            bail!("the guest did not become ready: {status}");
        };
        times.push(ended.duration_since(heard));
    }
    times.sort();
    let outcome = Outcome {
        name: "trustnet-vm",
        times: Ok(times),
    };
    let median = outcome.median().unwrap_or_default();
    Ok(Row {
        what: "from the guest's \"ready\" to `create` returning".to_owned(),
        found: format!("{:.0} ms", median.as_secs_f64() * 1000.0),
        must: "under 200 ms",
        reached: Some(median < Duration::from_millis(200)),
        note: Some(
            "\"Ready\" is taken from the line that `create --verbose` prints as it reads the guest's word from the channel."
                .to_owned(),
        ),
        outcomes: vec![outcome],
    })
}

fn quickest(outcomes: &[Outcome]) -> Option<&Outcome> {
    outcomes
        .iter()
        .filter(|outcome| outcome.median().is_some())
        .min_by_key(|outcome| outcome.median())
}

fn at_most(what: &str, outcomes: Vec<Outcome>, most: f64, must: &'static str) -> Row {
    let ratio = outcomes[0].ratio(&outcomes[1]);
    Row {
        what: what.to_owned(),
        found: ratio.map_or_else(
            || "not measured".to_owned(),
            |ratio| format!("{ratio:.2} ×"),
        ),
        must,
        reached: ratio.map(|ratio| ratio <= most),
        note: None,
        outcomes,
    }
}

fn faster(
    what: &str,
    ours: &Outcome,
    other: Option<&Outcome>,
    least: f64,
    must: &'static str,
) -> Row {
    let ratio = other.and_then(|other| other.ratio(ours));
    Row {
        what: what.to_owned(),
        found: ratio.map_or_else(
            || "not measured".to_owned(),
            |ratio| format!("{ratio:.2} × faster"),
        ),
        must,
        reached: ratio.map(|ratio| ratio >= least),
        note: None,
        outcomes: Vec::new(),
    }
}
