//! `trustnet-node`: a node of a TrustNet, as a service.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use trustnet_core::network::{NodeRegistry, NodeSettings};
use trustnet_node::service::{NodeService, check_tls};
use trustnet_node::settings;
use trustnet_registry::clock::Clock;
use trustnet_registry::discovery::Discovery;
use trustnet_registry::logging;
use trustnet_registry::settings::SettingsError;

/// A node of a TrustNet: it registers, beats, and knows its peers
///
/// Runs until it gets SIGTERM or SIGINT; then it says goodbye to its peers, and ends.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration, and end
    #[arg(long)]
    check: bool,
}

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is gone, there is nobody to tell.
            let _ = writeln!(io::stderr(), "trustnet-node: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = settings::read(&arguments.config)?;
    if arguments.check {
        check_tls(&settings)?;
        let path = arguments.config.display();
        writeln!(io::stdout(), "the configuration `{path}` is valid")?;
        return Ok(());
    }
    let discovery = Discovery::from_environment()?;
    logging::start(settings.log_level, settings.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(arguments, &settings, discovery))
}

async fn serve(
    arguments: &Arguments,
    settings: &NodeSettings,
    discovery: Discovery,
) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let service = NodeService::start(settings, discovery, Clock::system()).await?;
    write_ports(&arguments.config, settings, &service);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("the end was asked for");
    service.stop().await;
    Ok(())
}

/// Writes the ports into the configuration that were taken in place of configured ones.
fn write_ports(path: &Path, settings: &NodeSettings, service: &NodeService) {
    let port = service.address().port();
    if port != settings.port {
        taken(settings.port, port, settings::write_port(path, port));
    }
    if let (
        NodeRegistry::Integrated {
            port: configured, ..
        },
        Some(address),
    ) = (&settings.registry, service.registry_address())
        && address.port() != *configured
    {
        let port = address.port();
        taken(*configured, port, settings::write_registry(path, address));
    }
}

fn taken(configured: u16, port: u16, written: Result<(), SettingsError>) {
    tracing::warn!(
        configured,
        port,
        "the configured port is taken: another one is written to the configuration"
    );
    if let Err(error) = written {
        tracing::warn!(%error, "the configuration keeps the port that is taken");
    }
}
