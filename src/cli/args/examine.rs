//! Arguments of `status`, `test`, `diagnose`, `fix` and `logs`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The VMs' names; none for all that trustnet-vm made.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The most VMs at once.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub parallel: usize,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct Test {
    /// The VMs' names.
    #[arg(value_name = "NAME", required_unless_present = "selector")]
    pub names: Vec<String>,
    /// The running VMs with these labels, such as role=web,tier=front.
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…")]
    pub selector: Option<String>,
    /// Write the results as JUnit XML too, for continuous integration.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// The most VMs at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub parallel: usize,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The VM's name.
    pub name: String,
    /// The log of this service's unit in the guest, instead of what was said while services were brought.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Go on with what comes, until Ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines are shown.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    pub lines: u32,
}
