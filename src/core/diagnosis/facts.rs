//! What a guest says that it has (`images/guest/examine.sh facts`).

use crate::readiness::clean;

/// What a guest has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GuestFacts {
    /// `systemd`, `openrc` or `none`.
    pub init: String,
    /// Its time, in seconds since 1970.
    pub time_s: Option<u64>,
    /// Seconds since it started.
    pub uptime_s: Option<u64>,
    /// Memory in KiB: all, and what is available.
    pub memory_kib: Option<(u64, u64)>,
    /// Of the last minute, how many percent some program waited for memory.
    pub stalled_percent: Option<f64>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// How full its file systems are.
    pub disks: Vec<Usage>,
    /// The same of their inodes.
    pub inodes: Vec<Usage>,
    /// What the kernel says of programs that it killed for want of memory.
    pub oom: Vec<String>,
    /// Units that failed.
    pub failed_units: Vec<String>,
}

/// Something mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub path: String,
    /// The file system.
    pub filesystem: String,
    /// Whether nothing can be written to it.
    pub read_only: bool,
}

/// How full something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Where it is mounted.
    pub path: String,
    /// The device.
    pub device: String,
    /// All of it, in KiB or in number.
    pub total: u64,
    /// What is used of it.
    pub used: u64,
    /// What is left for programs.
    pub free: u64,
}

impl Usage {
    /// How full it is, as df(1) counts it.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let all = self.used.saturating_add(self.free);
        if all == 0 {
            0
        } else {
            self.used.saturating_mul(100).div_ceil(all)
        }
    }
}

impl GuestFacts {
    /// Reads what the guest says; none where it does not come to its end.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut facts = Self::default();
        let mut section = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('=') {
                section = name;
            } else if let Some(line) = line.strip_prefix(' ') {
                facts.take(section, line);
            }
        }
        (section == "end").then_some(facts)
    }

    fn take(&mut self, section: &str, line: &str) {
        let mut words = line.split_ascii_whitespace();
        match section {
            "init" => self.init = clean(line),
            "time" => self.time_s = line.trim().parse().ok(),
            "uptime" => {
                self.uptime_s = line.split('.').next().and_then(|text| text.parse().ok());
            }
            "memory" => {
                let (name, number) = (words.next(), words.next());
                let number = number.and_then(|text| text.parse().ok()).unwrap_or(0);
                let memory = self.memory_kib.get_or_insert((0, 0));
                match name {
                    Some("MemTotal:") => memory.0 = number,
                    Some("MemAvailable:") => memory.1 = number,
                    _ => {}
                }
            }
            "pressure" => {
                let average = words.find_map(|word| word.strip_prefix("avg60="));
                if line.starts_with("some ") {
                    self.stalled_percent = average.and_then(|text| text.parse().ok());
                }
            }
            "mounts" => {
                if let (Some(path), Some(filesystem), Some(options)) =
                    (words.next(), words.next(), words.next())
                {
                    self.mounts.push(Mount {
                        path: unescape(path),
                        filesystem: clean(filesystem),
                        read_only: options.split(',').any(|option| option == "ro"),
                    });
                }
            }
            "disks" => self.disks.extend(usage(line)),
            "inodes" => self.inodes.extend(usage(line)),
            "oom" => self.oom.push(clean(line)),
            "failed" => {
                let name = words.find(|word| word.chars().any(char::is_alphanumeric));
                self.failed_units.extend(name.map(clean));
            }
            _ => {}
        }
    }

    /// What is mounted at a path: the last of it counts.
    #[must_use]
    pub fn mount(&self, path: &str) -> Option<&Mount> {
        let path = path.trim_end_matches('/');
        let mut mounts = self.mounts.iter().rev();
        mounts.find(|mount| mount.path.trim_end_matches('/') == path)
    }

    /// How full the file system at a path is.
    #[must_use]
    pub fn usage(&self, path: &str) -> Option<&Usage> {
        let path = path.trim_end_matches('/');
        let mut disks = self.disks.iter().rev();
        disks.find(|usage| usage.path.trim_end_matches('/') == path)
    }
}

/// A line of `df -P`; its path may hold blanks.
fn usage(line: &str) -> Option<Usage> {
    let mut rest = line;
    let mut word = || {
        let text = rest.trim_start();
        let end = text.find(' ')?;
        rest = &text[end..];
        Some(&text[..end])
    };
    let device = clean(word()?);
    let numbers = [word()?, word()?, word()?];
    // The percentage is counted anew.
    word()?;
    let number = |text: &str| text.parse::<u64>().ok();
    Some(Usage {
        device,
        total: number(numbers[0])?,
        used: number(numbers[1])?,
        free: number(numbers[2])?,
        path: rest.trim_start().to_owned(),
    })
}

/// A path as the kernel writes it in its list of mounts: blanks and the like as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'\\')
            .then(|| bytes.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
