//! What a measurement says.

use std::io::{self, Write as _};
use std::time::Instant;

pub fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// Memory of this process, in MiB.
pub fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("a line");
    let kib: f64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .expect("a number");
    kib / 1024.0
}

pub fn say(what: &str, value: f64, unit: &str) {
    let line = format!("{what:40} {value:>12.1} {unit}\n");
    io::stdout().write_all(line.as_bytes()).expect("stdout");
}
