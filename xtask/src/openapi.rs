//! The services against their OpenAPI documents: by a client that knows nothing else, and by schemathesis.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{paths, process};

/// Debian's own, which `cargo xtask setup` installs with its `venv`.
const PYTHON: &str = "/usr/bin/python3";
/// The programs, and the variables by which the tests find them.
const PROGRAMS: [(&str, &str); 2] = [
    ("trustnet-registry", "TRUSTNET_REGISTRY"),
    ("trustnet-node", "TRUSTNET_NODE"),
];

/// What runs the tests. The services are built, and Python's packages are there, when it returns.
pub fn tests() -> Result<Command> {
    let place = paths::repository().join("tests/openapi");
    let environment = paths::target().join("openapi");
    let python = environment_of(&environment, &place.join("requirements.txt"))?;
    build()?;
    let mut command = Command::new(python);
    // Nothing is written into the sources.
    command
        .args(["-B", "-m", "pytest", "--color=no", "-p", "no:cacheprovider"])
        .args(["--durations=5", "--durations-min=5"])
        .arg(&place)
        .current_dir(paths::repository())
        .env(
            "HYPOTHESIS_STORAGE_DIRECTORY",
            environment.join("hypothesis"),
        );
    for (program, variable) in PROGRAMS {
        command.env(variable, paths::target().join("debug").join(program));
    }
    Ok(command)
}

fn build() -> Result<()> {
    let mut build = process::cargo();
    build.current_dir(paths::repository());
    build.args(["build", "--locked", "--bins"]);
    for (program, _) in PROGRAMS {
        build.args(["--package", program]);
    }
    process::run(&mut build)
}

/// The Python of an environment with these packages and no others. It is made anew when they are to be others, or
/// when Python is another one.
fn environment_of(folder: &Path, requirements: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let made = folder.join("made-from");
    let version = process::output(Command::new(PYTHON).arg("--version"))?;
    let packages = fs::read_to_string(requirements)
        .with_context(|| format!("failed to read `{}`", requirements.display()))?;
    let wanted = version + &packages;
    if fs::read_to_string(&made).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    process::run(
        Command::new(PYTHON)
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--no-input"]);
    install.args(["--disable-pip-version-check", "--only-binary", ":all:"]);
    install.args(["--require-hashes", "--requirement"]);
    process::run(install.arg(requirements))?;
    // Last: what was not finished is begun anew.
    fs::write(&made, wanted).with_context(|| format!("failed to write `{}`", made.display()))?;
    Ok(python)
}
