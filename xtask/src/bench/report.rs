//! BENCHMARKS.md, and the document of images.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::contest::Outcome;
use super::rows::Row;
use crate::{paths, process, speak};

/// What all rows but those of images are written to.
pub const ALL: &str = "BENCHMARKS.md";
/// What the rows of images are written to.
pub const IMAGES: &str = "BENCHMARKS-images.md";

/// Writes a document of these rows.
pub fn write(name: &str, rows: &[Row], rounds: usize) -> Result<()> {
    let mut text = String::new();
    render(&mut text, rows, rounds, &machine()?).context("failed to write a report")?;
    let path = paths::repository().join(name);
    fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    speak::note(&format!("bench: wrote `{}`", path.display()));
    Ok(())
}

fn render(text: &mut String, rows: &[Row], rounds: usize, machine: &str) -> std::fmt::Result {
    text.push_str(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`. What counts are the ratios: all commands of a row ran in turn, in one run, on one\n\
         machine, beside a libvirtd of their own; each ran once before the clock. Times are of whole processes, medians; \
         the\nmiddle half of all runs is said beside them. All domains are of type `qemu`.\n\n",
    );
    writeln!(text, "{machine}")?;
    text.push_str("| what | found | must reach | |\n| --- | --- | --- | --- |\n");
    for row in rows {
        let verdict = match row.reached {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "not measured",
        };
        writeln!(
            text,
            "| {} | {} | {} | {verdict} |",
            row.what, row.found, row.must
        )?;
    }
    for note in rows.iter().filter_map(|row| row.note.as_ref()) {
        writeln!(text, "\n{note}")?;
    }
    writeln!(
        text,
        "\n## The runs\n\nSlow commands {rounds} times each, quick ones more often.\n"
    )?;
    text.push_str(
        "| what | who | median | middle half | runs |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        for outcome in &row.outcomes {
            writeln!(
                text,
                "| {} | {} | {} |",
                row.what,
                outcome.name,
                cells(outcome)
            )?;
        }
    }
    Ok(())
}

fn cells(outcome: &Outcome) -> String {
    match (&outcome.times, outcome.median(), outcome.middle_half()) {
        (Ok(times), Some(median), Some((low, high))) => {
            format!(
                "{} | {} to {} | {}",
                shown(median),
                shown(low),
                shown(high),
                times.len()
            )
        }
        (Err(why), ..) => format!("could not run: {} | | 0", why.replace('|', "/")),
        _ => "| | 0".to_owned(),
    }
}

fn shown(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 100.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{milliseconds:.0} ms")
    }
}

fn machine() -> Result<String> {
    let first = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':'))
            .map_or("?", |(_, value)| value.trim())
            .to_owned()
    };
    let read =
        |path: &str| fs::read_to_string(path).with_context(|| format!("failed to read `{path}`"));
    let told = |program: &str, arguments: &[&str]| {
        let text = process::output(Command::new(program).args(arguments)).unwrap_or_default();
        text.lines().next().unwrap_or("?").trim().to_owned()
    };
    let cpu = first(&read("/proc/cpuinfo")?, "model name");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = first(&read("/proc/meminfo")?, "MemTotal");
    let load = read("/proc/loadavg")?;
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let kcli = super::peers::kcli()?;
    let pip = kcli.with_file_name("pip");
    let kcli = process::output(Command::new(pip).args(["show", "kcli"])).unwrap_or_default();
    Ok(format!(
        "| | |\n| --- | --- |\n\
         | date | {} |\n| CPU | {cpu}, {cores} cores |\n| memory | {memory} |\n| kernel | {} |\n\
         | libvirt | {} |\n| QEMU | {} |\n| virt-install | {} |\n| kcli | {} |\n\
         | load at the end | {} |\n",
        told("date", &["-u", "+%F"]),
        told("uname", &["-sr"]),
        told("libvirtd", &["--version"]),
        told("qemu-system-x86_64", &["--version"]),
        told("virt-install", &["--version"]),
        first(&kcli, "Version"),
        load.join(" "),
    ))
}
