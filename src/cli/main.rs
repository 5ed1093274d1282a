//! `trustnet-vm`: a table of contents. Every verb is a file in `verbs/`.

mod args;
mod bring;
mod capacity;
mod catalogue;
mod contact;
mod env;
mod evidence;
mod failure;
mod fleet;
mod guest;
mod health;
mod host;
mod image_catalogue;
mod images;
mod keeper;
mod lock_file;
mod make;
mod network;
mod outcome;
mod places;
mod preflight;
mod prepare;
mod problems;
mod prompt;
mod prune;
mod questions;
mod settings;
mod specs;
mod status;
mod subject;
mod table;
mod tree;
mod ui;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Places, Verb};
use env::Env;
use failure::{Exit, Failure};
use settings::{Said, Settings};
use ui::Ui;

fn main() -> ExitCode {
    let env = Env::read();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, and are no errors. Nobody reads: nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                Exit::Usage.code()
            } else {
                Exit::Done.code()
            });
        }
    };
    logs(cli.global.verbose, &env);
    let settings = match Settings::load(&cli.global, &said(&cli.verb), &env) {
        Ok(settings) => settings,
        Err(failure) => {
            Ui::new(args::Color::Auto, cli.global.quiet, 0, &env).fail(&failure);
            return ExitCode::from(failure.exit.code());
        }
    };
    let ui = Ui::new(
        settings.color.value,
        cli.global.quiet,
        cli.global.verbose,
        &env,
    );
    let program = Program {
        env,
        settings,
        ui,
        yes: cli.global.yes,
        no_headers: cli.global.no_headers,
    };
    let ended = program
        .run(cli.verb)
        .and_then(|exit| program.ui.written().map(|()| exit));
    match ended {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            program.ui.fail(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}

/// The program, with all that a verb needs of it.
pub struct Program {
    /// The environment.
    env: Env,
    /// The settings.
    settings: Settings,
    /// How it speaks.
    ui: Ui,
    /// Whether nothing is asked.
    yes: bool,
    /// Whether tables go without a header.
    no_headers: bool,
}

impl Program {
    fn run(&self, verb: Verb) -> Result<Exit, Failure> {
        match verb {
            Verb::Install(args) => verbs::install::run(self, &args),
            Verb::Validate(args) => verbs::validate::run(self, &args),
            Verb::Render(args) => verbs::render::run(self, &args),
            Verb::Plan(args) => verbs::plan::run(self, &args),
            Verb::Preflight(args) => verbs::preflight::run(self, &args),
            Verb::Create(args) => verbs::create::run(self, &args),
            Verb::Provision(args) => verbs::provision::run(self, &args),
            Verb::List(args) => verbs::list::run(self, &args),
            Verb::Get(args) => verbs::get::run(self, &args.name),
            Verb::Status(args) => verbs::status::run(self, &args),
            Verb::Test(args) => verbs::test::run(self, &args),
            Verb::Diagnose(args) => verbs::diagnose::run(self, &args.name),
            Verb::Fix(args) => verbs::fix::run(self, &args.name),
            Verb::Logs(args) => verbs::logs::run(self, &args),
            Verb::Start(args) => verbs::power::start(self, &args.names, &args.waiting),
            Verb::Stop(args) => verbs::power::stop(self, &args),
            Verb::Restart(args) => verbs::power::restart(self, &args),
            Verb::Destroy(args) => verbs::destroy::run(self, &args),
            Verb::Ssh(args) => verbs::ssh::run(self, &args),
            Verb::Exec(args) => verbs::exec::run(self, &args),
            Verb::Cp(args) => verbs::cp::run(self, &args),
            Verb::Console(args) => verbs::console::run(self, &args.name),
            Verb::Wait(args) => verbs::wait::run(self, &args),
            Verb::Resume(args) => verbs::resume::resume(self, &args),
            Verb::Rollback(args) => verbs::resume::rollback(self, &args),
            Verb::Cache(verb) => verbs::cache::run(self, &verb),
            Verb::Pool(verb) => verbs::pool::run(self, &verb),
            Verb::Storage(verb) => verbs::storage::run(self, &verb),
            Verb::Image(verb) => verbs::image::run(self, &verb),
            Verb::Config(args::ConfigVerb::Show) => verbs::config::show(self),
            Verb::Registry(verb) => verbs::registry::run(self, &verb),
            Verb::Peers(args) => verbs::peers::run(self, &args),
            Verb::Node(verb) => verbs::node::run(self, &verb),
            Verb::Dns(verb) => verbs::dns::run(self, &verb),
            Verb::Service(verb) => verbs::service::run(self, &verb),
            Verb::Schema(args) => verbs::reference::schema(self, args.kind),
            Verb::Explain(args) => verbs::reference::explain(self, &args.path),
            Verb::Completions(args) => verbs::reference::completions(self, args.shell),
            Verb::Man(args) => verbs::reference::man(self, args.out.as_deref()),
        }
    }
}

/// What the verb's own flags say of the settings.
fn said(verb: &Verb) -> Said {
    let timeout = match verb {
        Verb::Install(args) => args.waiting.timeout,
        Verb::Create(args) => args.waiting.timeout,
        Verb::Start(args) => args.waiting.timeout,
        Verb::Restart(args) => args.waiting.timeout,
        Verb::Provision(args) => args.timeout,
        Verb::Resume(args) => args.timeout,
        Verb::Wait(args) => args.timeout,
        _ => None,
    };
    let places = match verb {
        Verb::Install(args) => args.places.clone(),
        Verb::Create(args) => args.places.clone(),
        Verb::Plan(args) => args.places.clone(),
        Verb::Preflight(args) => args.places.clone(),
        Verb::Render(args) => args.places.clone(),
        _ => Places::default(),
    };
    Said { timeout, places }
}

/// Traces for developers: `TRUSTNET_VM_LOG` in the form of RUST_LOG, or `-vv`.
fn logs(verbose: u8, env: &Env) {
    let filter = env
        .text("TRUSTNET_VM_LOG")
        .or_else(|| (verbose > 1).then(|| "trustnet=debug".to_owned()));
    if let Some(filter) = filter {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
    }
}

/// Counts SIGINT, SIGTERM and SIGHUP from now on: the first stops after the step in hand and undoes,
/// the second stops where we are. The third ends the program as if nobody had caught it: a call to the
/// hypervisor may never come back, and the journal survives that too.
///
/// # Errors
/// The handler cannot be set.
pub fn interruption() -> Result<trustnet_host::interrupt::Interrupt, Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let interrupt = trustnet_host::interrupt::Interrupt::default();
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::new(Exit::Usage, format!("failed to catch signals: {error}")))?;
    let raised = interrupt.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if raised.raise() > 2 {
                // It fails for signals that cannot be caught, and those do not come here.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    });
    Ok(interrupt)
}

/// Asks a yes-or-no question on the terminal.
///
/// # Errors
/// The user interrupts instead.
pub fn asked(ui: &Ui, question: &str) -> Result<bool, Failure> {
    let interrupt = interruption()?;
    ui.ask(question, &|| interrupt.stop())
        .ok_or_else(|| Failure::new(Exit::Interrupted, "interrupted: nothing was done"))
}
