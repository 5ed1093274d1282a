//! `cargo xtask setup`: what is missing on this host, and how it gets there.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::packages::{Need, PACKAGES, Package, is_hypervisor};
use crate::{mirror, process, speak};

const BACKPORTS: &str = "/etc/apt/sources.list.d/trustnet-vm-backports.sources";

/// Say which system packages are missing, and install them
#[derive(clap::Args)]
pub struct Setup {
    /// Install without asking
    #[arg(long, short)]
    yes: bool,
    /// Only say what is missing; exit 1 when something is
    #[arg(long, conflicts_with = "yes")]
    check: bool,
    /// What the tests and checks use, too
    #[arg(long)]
    with_checks: bool,
}

/// How apt will be asked.
struct Job {
    /// The missing packages that come from a suite of their own, and the suite.
    from_suite: Option<(String, Vec<&'static str>)>,
    /// The missing packages that come from wherever apt takes them.
    plain: Vec<&'static str>,
    /// The source to be added, so that the suite can be found.
    source: Option<String>,
}

impl Setup {
    /// Does it.
    pub fn run(&self) -> Result<ExitCode> {
        let wanted: Vec<&Package> = PACKAGES
            .iter()
            .filter(|package| self.with_checks || package.need == Need::Work)
            .collect();
        let names: Vec<&'static str> = wanted.iter().map(|package| package.name).collect();
        let missing = apt::missing(&names)?;
        if missing.is_empty() {
            speak::note(&format!(
                "setup: all {} system packages are there",
                names.len()
            ));
            return Ok(ExitCode::SUCCESS);
        }
        speak::note(&format!(
            "setup: {} of {} system packages are missing:",
            missing.len(),
            names.len()
        ));
        for package in wanted
            .iter()
            .filter(|package| missing.contains(&package.name))
        {
            speak::note(&format!("  {:<22} {}", package.name, package.reason));
        }
        if self.check {
            return Ok(ExitCode::FAILURE);
        }
        let job = plan(missing)?;
        self.consent(&job)?;
        install(&job)?;
        let left = apt::missing(&names)?;
        if !left.is_empty() {
            bail!(
                "apt was done and still these are missing: {}",
                left.join(", ")
            );
        }
        speak::note("setup: done");
        Ok(ExitCode::SUCCESS)
    }

    fn consent(&self, job: &Job) -> Result<()> {
        let commands = job.commands()?;
        for command in &commands {
            speak::note(&format!("  will run: {}", process::line(command)));
        }
        if self.yes {
            return Ok(());
        }
        if !speak::somebody_is_there() {
            bail!(
                "system packages are missing and nobody is there to ask\nhint: add `--yes`, or run the commands above"
            );
        }
        if !speak::agreed("install them?").context("failed to read the answer")? {
            bail!("not installed\nhint: the commands above do the same by hand");
        }
        Ok(())
    }
}

/// Sets up for another task: the same questions, the same answers.
pub fn ensure(yes: bool, with_checks: bool) -> Result<()> {
    let code = Setup {
        yes,
        check: false,
        with_checks,
    }
    .run()?;
    if code != ExitCode::SUCCESS {
        bail!("system packages are missing");
    }
    Ok(())
}

fn plan(missing: Vec<&'static str>) -> Result<Job> {
    let release = apt::release()?;
    let Some(suite) = apt::hypervisor_suite(&release)? else {
        return Ok(Job {
            from_suite: None,
            plain: missing,
            source: None,
        });
    };
    let (hypervisor, plain): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|name| is_hypervisor(name));
    if hypervisor.is_empty() {
        return Ok(Job {
            from_suite: None,
            plain,
            source: None,
        });
    }
    speak::note(&format!(
        "setup: QEMU is here from `{suite}` already, so the rest of the hypervisor must be too"
    ));
    let sites = apt::sites()?;
    let known = sites.iter().any(|site| site.suite == suite);
    let source = (!known).then(|| backports_source(&mirror::archive(&sites, &release), &suite));
    Ok(Job {
        from_suite: Some((suite, hypervisor)),
        plain,
        source,
    })
}

fn backports_source(uri: &str, suite: &str) -> String {
    format!(
        "# Added by `cargo xtask setup`: the hypervisor's packages must all come from one suite.\n\
         Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n\
         Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
}

impl Job {
    fn commands(&self) -> Result<Vec<Command>> {
        let mut commands = Vec::new();
        if self.source.is_some() {
            let mut tee = as_root("tee")?;
            tee.arg(BACKPORTS);
            commands.push(tee);
        }
        commands.push(apt_get(["update"])?);
        if let Some((suite, names)) = &self.from_suite {
            let options = [
                "install",
                "--yes",
                "--no-install-recommends",
                "--target-release",
                suite,
            ];
            commands.push(apt_get(options.iter().chain(names))?);
        }
        if !self.plain.is_empty() {
            let options = ["install", "--yes", "--no-install-recommends"];
            commands.push(apt_get(options.iter().chain(&self.plain))?);
        }
        Ok(commands)
    }
}

fn install(job: &Job) -> Result<()> {
    for mut command in job.commands()? {
        match &job.source {
            Some(source) if process::line(&command).contains(BACKPORTS) => {
                write(&mut command, source)?;
            }
            _ => process::run(&mut command)?,
        }
    }
    Ok(())
}

/// Gives a command its input; root's files are written this way, for sudo may stand in between.
fn write(command: &mut Command, text: &str) -> Result<()> {
    speak::note(&format!("$ {}", process::line(command)));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("failed to start `tee`")?;
    let mut input = child.stdin.take().context("`tee` has no input")?;
    input
        .write_all(text.as_bytes())
        .context("failed to write to `tee`")?;
    drop(input);
    let status = child.wait().context("failed to wait for `tee`")?;
    if !status.success() {
        bail!("failed to write `{BACKPORTS}`: {status}");
    }
    Ok(())
}

fn apt_get<I: IntoIterator<Item: Into<OsString>>>(arguments: I) -> Result<Command> {
    let mut command = as_root("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command.args(arguments.into_iter().map(Into::into));
    Ok(command)
}

/// A command that runs as root: by itself, or through sudo.
fn as_root(program: &str) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    if !process::exists("sudo") {
        bail!(
            "installing packages needs root, and there is no sudo\nhint: run `cargo xtask setup` as root once"
        );
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}

/// Whether this process may do anything here.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
