//! `trustnet-registry`: the registry of a TrustNet, as a service.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use trustnet_core::network::RegistrySettings;
use trustnet_registry::clock::Clock;
use trustnet_registry::registrar::Registrar;
use trustnet_registry::service::{RegistryService, check_tls};
use trustnet_registry::{logging, settings, snapshots};

/// The registry of a TrustNet: the directory of its nodes
///
/// Runs until it gets SIGTERM or SIGINT; then it answers what has begun, and ends.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration, and end
    #[arg(long, conflicts_with_all = ["promote", "restore"])]
    check: bool,
    /// Make a secondary's database a root's, and end; the registry is to be stopped before
    #[arg(long, conflicts_with = "restore")]
    promote: bool,
    /// Put a snapshot in place of the database, and end; the database is kept beside it
    #[arg(long, value_name = "SNAPSHOT")]
    restore: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is gone, there is nobody to tell.
            let _ = writeln!(io::stderr(), "trustnet-registry: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = settings::read(&arguments.config)?;
    if arguments.check {
        check_tls(&settings)?;
        let path = arguments.config.display();
        return say(&format!("the configuration `{path}` is valid"));
    }
    if arguments.promote {
        let version = Registrar::promote(&settings.database, &Clock::system().now())?;
        return say(&format!(
            "the database is a root's now, at version {version}: write `role: root` into `{}`, and start the registry",
            arguments.config.display()
        ));
    }
    if let Some(snapshot) = &arguments.restore {
        let restored = snapshots::restore(&settings.database, snapshot, &Clock::system().now())?;
        let aside = restored.set_aside.map_or_else(String::new, |path| {
            format!("; the database that was there is `{}`", path.display())
        });
        return say(&format!(
            "the snapshot's {} nodes are in the database, at version {}{aside}",
            restored.nodes, restored.version
        ));
    }
    logging::start(settings.log_level, settings.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(arguments, &settings))
}

fn say(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}")?;
    Ok(())
}

async fn serve(arguments: &Arguments, settings: &RegistrySettings) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut end = std::pin::pin!(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("the end was asked for");
    });
    let service = tokio::select! {
        service = RegistryService::start(settings, Clock::system()) => service?,
        () = end.as_mut() => return Ok(()),
    };
    let port = service.address().port();
    if port != settings.port {
        tracing::warn!(
            configured = settings.port,
            port,
            "the configured port is taken: another one is written to the configuration"
        );
        if let Err(error) = settings::write_port(&arguments.config, port) {
            tracing::warn!(%error, "the configuration keeps the port that is taken");
        }
    }
    end.await;
    service.stop().await;
    Ok(())
}
