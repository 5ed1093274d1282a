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
///
/// OpenRC splits the settings that it calls the supervisor with at blanks, looks for files of such names, and
/// evaluates what comes of that. So they only name variables, and the variables hold the values.
/// <https://github.com/OpenRC/openrc/blob/master/supervise-daemon-guide.md>
pub(super) fn openrc(unit: &UnitText<'_>) -> String {
    let mut script = Script(String::from(
        "#!/sbin/openrc-run\n# Made by trustnet-vm; changes are lost.\n",
    ));
    script.line(&format!("description={}", shell_word(unit.description)));
    script.line("supervisor=supervise-daemon");
    let mut words = Vec::new();
    for (index, word) in unit.command.iter().enumerate() {
        words.push(script.variable(&format!("word_{index}"), word));
    }
    let (program, arguments) = words.split_first().map_or(("", &[][..]), |(p, a)| (p, a));
    script.line(&format!("command='{program}'"));
    script.line(&format!("command_args='{}'", arguments.join(" ")));
    if unit.user != "root" {
        let user = script.variable("user", unit.user);
        script.line(&format!("command_user='{user}'"));
    }
    let log = script.variable("log", &format!("/var/log/{}.log", unit.name));
    script.line(&format!("output_log='{log}'\nerror_log='{log}'"));
    if let Some(folder) = unit.working_directory {
        let folder = script.variable("folder", folder);
        script.line(&format!("directory='{folder}'"));
    }
    if !unit.capabilities.is_empty() {
        let names: Vec<String> = unit
            .capabilities
            .iter()
            .map(|name| format!("^{}", name.to_lowercase()))
            .collect();
        let names = script.variable("capabilities", &names.join(","));
        script.line(&format!("capabilities='{names}'"));
    }
    script.line("respawn_delay=2\nrespawn_max=0");
    for (name, value) in unit.environment {
        script.line(&format!("export {name}={}", shell_word(value)));
    }
    // Where nothing provides `net`, a service that needed it would never start.
    script.line("\ndepend() {\n\tuse net");
    if !unit.after.is_empty() {
        let names: Vec<String> = unit.after.iter().map(|name| shell_word(name)).collect();
        let names = names.join(" ");
        script.line(&format!("\twant {names}\n\tafter {names}"));
    }
    script.line("}");
    // The supervisor opens the log as the user who may not make files there.
    script.line(&format!(
        "\nstart_pre() {{\n\tcheckpath --file --mode 0640 --owner {} {log}\n}}",
        shell_word(unit.user)
    ));
    script.0
}

struct Script(String);

impl Script {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// Gives a variable its value, and says how the value is had from it.
    fn variable(&mut self, name: &str, value: &str) -> String {
        self.line(&format!("trustnet_{name}={}", shell_word(value)));
        format!("\"$trustnet_{name}\"")
    }
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
