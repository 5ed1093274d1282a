//! Units of our own, for systemd and for OpenRC.

use std::fmt::Write;

use crate::service::{shell_word, systemd_word};

/// What a unit is made of, every value filled in.
pub(super) struct UnitText<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub command: &'a [String],
    pub user: &'a str,
    pub environment: &'a [(String, String)],
    pub working_directory: Option<&'a str>,
    pub capabilities: &'a [String],
    pub after: &'a [String],
}

/// A unit of systemd.
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html>
pub(super) fn systemd(unit: &UnitText<'_>) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line("# Made by trustnet-vm; changes are lost.".to_owned());
    line("[Unit]".to_owned());
    line(format!("Description={}", plain(unit.description)));
    let after: Vec<String> = unit.after.iter().map(|name| with_suffix(name)).collect();
    line(
        format!("After=network-online.target {}", after.join(" "))
            .trim_end()
            .to_owned(),
    );
    line(
        format!("Wants=network-online.target {}", after.join(" "))
            .trim_end()
            .to_owned(),
    );
    line("\n[Service]".to_owned());
    // In a command line `$` begins a variable.
    let words = unit.command.iter().enumerate().map(|(index, word)| {
        let quoted = systemd_word(word);
        // The program itself is no place for variables.
        if index == 0 {
            quoted
        } else {
            quoted.replace('$', "$$")
        }
    });
    line(format!("ExecStart={}", words.collect::<Vec<_>>().join(" ")));
    if unit.user != "root" {
        line(format!("User={}", plain(unit.user)));
    }
    for (name, value) in unit.environment {
        line(format!(
            "Environment={}",
            systemd_word(&format!("{name}={value}"))
        ));
    }
    if let Some(folder) = unit.working_directory {
        line(format!("WorkingDirectory={}", plain(folder)));
    }
    if !unit.capabilities.is_empty() {
        line(format!(
            "AmbientCapabilities={}",
            unit.capabilities.join(" ")
        ));
    }
    line("Restart=on-failure\nRestartSec=2".to_owned());
    line("\n[Install]\nWantedBy=multi-user.target".to_owned());
    out
}

/// An init script of OpenRC, supervised by it.
/// <https://github.com/OpenRC/openrc/blob/master/supervise-daemon-guide.md>
pub(super) fn openrc(unit: &UnitText<'_>) -> String {
    let mut out = String::from("#!/sbin/openrc-run\n# Made by trustnet-vm; changes are lost.\n");
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("description={}", shell_word(unit.description)));
    line("supervisor=supervise-daemon".to_owned());
    let (program, arguments) = unit
        .command
        .split_first()
        .map_or(("", &[][..]), |(p, a)| (p, a));
    line(format!("command={}", shell_word(program)));
    // OpenRC evaluates this text as shell words once more.
    let words: Vec<String> = arguments.iter().map(|word| shell_word(word)).collect();
    line(format!("command_args={}", shell_word(&words.join(" "))));
    if unit.user != "root" {
        line(format!("command_user={}", shell_word(unit.user)));
    }
    line(format!(
        "output_log={}",
        shell_word(&format!("/var/log/{}.log", unit.name))
    ));
    line(format!(
        "error_log={}",
        shell_word(&format!("/var/log/{}.log", unit.name))
    ));
    if let Some(folder) = unit.working_directory {
        line(format!("directory={}", shell_word(folder)));
    }
    if !unit.capabilities.is_empty() {
        let names: Vec<String> = unit
            .capabilities
            .iter()
            .map(|name| format!("^{}", name.to_lowercase()))
            .collect();
        line(format!("capabilities={}", shell_word(&names.join(","))));
    }
    line("respawn_delay=2\nrespawn_max=0".to_owned());
    for (name, value) in unit.environment {
        line(format!("export {name}={}", shell_word(value)));
    }
    line("\ndepend() {\n\tneed net".to_owned());
    if !unit.after.is_empty() {
        let names: Vec<String> = unit.after.iter().map(|name| shell_word(name)).collect();
        line(format!("\tafter {}", names.join(" ")));
    }
    line("}".to_owned());
    out
}

fn with_suffix(name: &str) -> String {
    let name = plain(name);
    if name.contains('.') {
        name
    } else {
        format!("{name}.service")
    }
}

/// A value that is the rest of a line, with specifiers taken for what they are.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '%' => out.push_str("%%"),
            // A line's end would begin another setting.
            c if c.is_control() => out.push(' '),
            c => {
                // Writing to a String cannot fail.
                let _ = out.write_char(c);
            }
        }
    }
    out.trim_end_matches('\\').to_owned()
}
