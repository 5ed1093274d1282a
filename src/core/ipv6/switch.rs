//! The kernel's switches for IPv6: what is to be set, kept in a file of our own together with what was there before.

use std::fmt::Write;

use trustnet_api::preflight::{SwitchChange, SwitchSetting};

use crate::readiness::clean;

use super::facts::{Interface, Ipv6Facts, Kernel, Switches};

/// Our own file of switches. Its name comes late, so that it has the last word.
pub const FILE: &str = "/etc/sysctl.d/99-trustnet-vm.conf";

/// The first line of our file: what has another one is not ours.
const HEADER: &str = "# Written by `trustnet-vm preflight --ipv6-auto-enable`; `trustnet-vm preflight --undo-ipv6` takes it back.";
/// What a line with a value of before begins with.
const WAS: &str = "# was ";

/// A change of switches, as data. The file is written first and removed last: what was there before is never lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The text of our file as it is; none where there is no such file.
    pub old: Option<String>,
    /// The text that it is to have; none where it goes.
    pub new: Option<String>,
    /// What is set in the running kernel, in this order.
    pub settings: Vec<Setting>,
}

/// One switch of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `all`, `default`, or an interface.
    pub interface: String,
    /// Which of its switches, such as `disable_ipv6`.
    pub name: String,
    /// What it is.
    pub was: String,
    /// What it becomes.
    pub becomes: String,
}

/// Why no switch can be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The kernel does not speak IPv6.
    #[error("no switch helps: the kernel does not speak IPv6")]
    Kernel,
    /// Somebody else's file has the name of ours.
    #[error("`{FILE}` is there, and trustnet-vm did not write it")]
    Foreign,
    /// Somebody wrote into ours: it is written whole, and taken away whole, so that would be lost.
    #[error("`{FILE}` has a line that trustnet-vm did not write: `{}`", clean(.0))]
    Edited(String),
}

/// What our file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Kept {
    before: Vec<(String, String)>,
    set: Vec<(String, String)>,
}

/// What has to be switched so that a machine can have IPv6; none where no switch stands against it. Where our file is
/// there already, what it knows of before stays.
///
/// # Errors
/// [`Blocked`].
pub fn enable(facts: &Ipv6Facts) -> Result<Option<Change>, Blocked> {
    if facts.kernel != Kernel::Speaks {
        return Err(Blocked::Kernel);
    }
    let mut kept = read(facts.kept.as_deref())?;
    let mut settings = Vec::new();
    disabled(facts, &mut kept, &mut settings);
    if !facts.works() {
        unheard(facts, &mut settings);
    }
    if settings.is_empty() {
        return Ok(None);
    }
    for setting in &settings {
        let key = setting.key();
        note(&mut kept.before, &key, &setting.was);
        kept.set.retain(|(known, _)| *known != key);
        kept.set.push((key, setting.becomes.clone()));
    }
    Ok(Some(Change {
        old: facts.kept.clone(),
        new: Some(kept.text()),
        settings,
    }))
}

/// What brings back what was there before; none where we have changed nothing.
///
/// # Errors
/// [`Blocked::Foreign`], [`Blocked::Edited`].
pub fn undo(facts: &Ipv6Facts) -> Result<Option<Change>, Blocked> {
    if facts.kept.is_none() {
        return Ok(None);
    }
    let kept = read(facts.kept.as_deref())?;
    let mut settings: Vec<Setting> = Vec::new();
    let all = kept.before.iter().filter_map(|(key, was)| {
        let (interface, name) = split(key)?;
        // An interface may be gone since.
        let is = current(facts, &interface, &name)?;
        Some((interface, name, is, was.clone()))
    });
    // `all` speaks for each of the others, so they come behind it even where they are as they were.
    let sweeping = all.clone().any(|(interface, name, is, was)| {
        interface == "all" && name == "disable_ipv6" && is != was
    });
    for (interface, name, is, was) in all {
        if is != was || sweeping && name == "disable_ipv6" {
            settings.push(Setting {
                interface,
                name,
                was: is,
                becomes: was,
            });
        }
    }
    settings.sort_by_key(|setting| match setting.interface.as_str() {
        "all" => 0,
        "default" => 1,
        _ => 2,
    });
    Ok(Some(Change {
        old: facts.kept.clone(),
        new: None,
        settings,
    }))
}

/// Interfaces on which IPv6 is off. Setting `all` sets each of them, so what each was is noted.
fn disabled(facts: &Ipv6Facts, kept: &mut Kept, settings: &mut Vec<Setting>) {
    let off = |switches: &Switches| switches.disable_ipv6 == Some(true);
    let mut on = |interface: &str| settings.push(Setting::new(interface, "disable_ipv6", "1", "0"));
    // Where another interface has IPv6, only those are switched by which packets leave.
    let all = off(&facts.all) && !facts.works();
    if all {
        on("all");
        if off(&facts.default) {
            on("default");
        }
    }
    for interface in facts.uplinks() {
        if off(&interface.switches) {
            on(&interface.name);
        }
    }
    if !all {
        return;
    }
    let every = facts.interfaces.iter();
    let every = every.map(|one| (one.name.as_str(), one.switches));
    for (name, switches) in [("all", facts.all), ("default", facts.default)]
        .into_iter()
        .chain(every)
    {
        if let Some(was) = switches.disable_ipv6 {
            let key = key(name, "disable_ipv6");
            note(&mut kept.before, &key, if was { "1" } else { "0" });
        }
    }
}

/// Interfaces that do not heed routers: none does that forwards, unless told twice. Who keeps an interface may heed
/// them itself; then the kernel's switch is not touched.
fn unheard(facts: &Ipv6Facts, settings: &mut Vec<Setting>) {
    for interface in facts.uplinks() {
        let keeper = facts.keeper_of(&interface.name);
        if keeper.is_some_and(super::Keeper::hears_routers) {
            continue;
        }
        if let Some(becomes) = deaf(interface) {
            let is = interface.switches.accept_ra.unwrap_or_default();
            settings.push(Setting::new(
                &interface.name,
                "accept_ra",
                &is.to_string(),
                becomes,
            ));
        }
    }
}

/// What `accept_ra` has to be where an interface does not heed routers; none where it does.
#[must_use]
pub fn deaf(interface: &Interface) -> Option<&'static str> {
    let forwards = interface.switches.forwarding.is_some_and(|it| it != 0);
    match interface.switches.accept_ra? {
        0 | 1 if forwards => Some("2"),
        0 => Some("1"),
        _ => None,
    }
}

impl Setting {
    fn new(interface: &str, name: &str, was: &str, becomes: &str) -> Self {
        Self {
            interface: interface.to_owned(),
            name: name.to_owned(),
            was: was.to_owned(),
            becomes: becomes.to_owned(),
        }
    }

    /// Its name, as sysctl.d has it.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.interface, &self.name)
    }
}

/// With slashes where the interface's name has a dot (sysctl.d(5)).
fn key(interface: &str, name: &str) -> String {
    let dots = !interface.contains('.');
    let key = format!("net/ipv6/conf/{interface}/{name}");
    if dots { key.replace('/', ".") } else { key }
}

fn split(key: &str) -> Option<(String, String)> {
    let by = if key.starts_with("net/") { '/' } else { '.' };
    let head = format!("net{by}ipv6{by}conf{by}");
    let (interface, name) = key.strip_prefix(&head)?.rsplit_once(by)?;
    // What stands there becomes a path.
    let plain = |word: &str| !word.is_empty() && !word.contains('/') && word != "." && word != "..";
    let known = ["disable_ipv6", "accept_ra"].contains(&name);
    (known && plain(interface)).then(|| (interface.to_owned(), name.to_owned()))
}

fn current(facts: &Ipv6Facts, interface: &str, name: &str) -> Option<String> {
    let switches = match interface {
        "all" => facts.all,
        "default" => facts.default,
        other => facts.interface(other)?.switches,
    };
    match name {
        "disable_ipv6" => switches.disable_ipv6.map(|off| i32::from(off).to_string()),
        _ => switches.accept_ra.map(|value| value.to_string()),
    }
}

/// What was noted first stays.
fn note(before: &mut Vec<(String, String)>, key: &str, was: &str) {
    if !before.iter().any(|(known, _)| known == key) {
        before.push((key.to_owned(), was.to_owned()));
    }
}

fn read(text: Option<&str>) -> Result<Kept, Blocked> {
    let Some(text) = text else {
        return Ok(Kept::default());
    };
    if text.lines().next() != Some(HEADER) {
        return Err(Blocked::Foreign);
    }
    let pair = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let number: i32 = value.trim().parse().ok()?;
        split(key.trim())?;
        Some((key.trim().to_owned(), number.to_string()))
    };
    let mut kept = Kept::default();
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let (known, pair) = match line.strip_prefix(WAS) {
            Some(rest) => (&mut kept.before, pair(rest)),
            None => (&mut kept.set, pair(line)),
        };
        known.push(pair.ok_or_else(|| Blocked::Edited(line.to_owned()))?);
    }
    Ok(kept)
}

impl Kept {
    fn text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (key, was) in &self.before {
            let _ = writeln!(text, "{WAS}{key} = {was}");
        }
        for (key, value) in &self.set {
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }
}

impl Change {
    /// What a person is shown: the file's lines that come and go, and what is switched at once.
    #[must_use]
    pub fn shown(&self) -> String {
        let old: Vec<&str> = self.old.iter().flat_map(|text| text.lines()).collect();
        let new: Vec<&str> = self.new.iter().flat_map(|text| text.lines()).collect();
        let there = |text: &Option<String>, name| match text {
            Some(_) => FILE,
            None => name,
        };
        let nothing = "/dev/null";
        let mut shown = format!(
            "--- {}\n+++ {}\n",
            there(&self.old, nothing),
            there(&self.new, nothing)
        );
        // Lines only come in between, or go.
        let gone = old.iter().filter(|line| !new.contains(line));
        for line in gone {
            let _ = writeln!(shown, "-{line}");
        }
        for line in &new {
            let sign = if old.contains(line) { ' ' } else { '+' };
            let _ = writeln!(shown, "{sign}{line}");
        }
        if !self.settings.is_empty() {
            shown.push_str("and in the running kernel:\n");
        }
        for setting in self.settings.iter().filter(|one| one.was != one.becomes) {
            let Setting { was, becomes, .. } = setting;
            let _ = writeln!(shown, "  {}: {was} -> {becomes}", setting.key());
        }
        shown
    }

    /// The same for machines.
    #[must_use]
    pub fn wire(&self, applied: bool) -> SwitchChange {
        let settings = self.settings.iter().map(|setting| SwitchSetting {
            key: setting.key(),
            was: setting.was.clone(),
            becomes: setting.becomes.clone(),
        });
        SwitchChange {
            file: FILE.to_owned(),
            settings: settings.collect(),
            applied,
        }
    }
}
