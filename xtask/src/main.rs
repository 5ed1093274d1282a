//! The project's own tasks: `cargo xtask <verb>`.
//!
//! - `packages`, `apt`, `setup`: what the host needs, and how it gets there
//! - `mirror`, `image`: the base image, by the program's own `image build`
//! - `resident`, `demo`: the main job, from a bare checkout to a guest that speaks
//! - `artifacts`: what tests need of the network, before they run without one
//! - `tier`, `tally`, `openapi`, `test`: every test, and what came of it
//! - `fuzz`: the parsers against any bytes
//! - `soak`: a registry that is killed thousands of times
//! - `services`: what runs in the guests of a network, as files that need no library
//! - `bench`: what the program costs beside its peers
//! - `lab`: a second libvirtd that touches nothing of the host
//! - `process`, `paths`, `speak`: how the tasks run programs, where things lie, the one file that prints

mod apt;
mod artifacts;
mod bench;
mod demo;
mod fuzz;
mod image;
mod inputs;
mod lab;
mod mirror;
mod openapi;
mod packages;
mod paths;
mod process;
mod resident;
mod roots;
mod services;
mod setup;
mod soak;
mod speak;
mod tally;
mod test;
mod tier;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own tasks
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Say which system packages are missing, and install them with apt (Debian 12 and 13)
    Setup(setup::Setup),
    /// Build the base image debian-12 from Debian packages, and print its path
    Image(image::Image),
    /// Do the main job: set up, build, make the image, create a guest, log in
    Demo(demo::Demo),
    /// Run the tests, real guests included, and count them
    Test(test::Test),
    /// Build the services of a network for guests, without shared libraries
    Services(services::Services),
    /// Run every fuzz target for a while
    Fuzz(fuzz::Fuzz),
    /// Kill a registry under load many times, and compare what it has with what it told
    Soak(soak::Soak),
    /// Measure the program beside its peers, and write BENCHMARKS.md (root)
    Bench(bench::Bench),
    /// Run a command beside a libvirtd of its own, isolated from the host (root)
    Lab(lab::Lab),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Setup(setup) => setup.run(),
        Task::Image(image) => image.run(),
        Task::Demo(demo) => demo.run(),
        Task::Test(test) => test.run(),
        Task::Services(services) => services.run(),
        Task::Fuzz(fuzz) => fuzz.run(),
        Task::Soak(soak) => soak.run(),
        Task::Bench(bench) => bench.run(),
        Task::Lab(lab) => lab.run(),
    };
    outcome.unwrap_or_else(|error| {
        speak::error(&error);
        ExitCode::FAILURE
    })
}
