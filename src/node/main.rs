//! `trustnet-node`: a node of a TrustNet, as a service.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use trustnet_core::network::NodeSettings;
use trustnet_node::service::NodeService;
use trustnet_node::settings;
use trustnet_registry::clock::Clock;
use trustnet_registry::discovery::Discovery;

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
        let path = arguments.config.display();
        writeln!(io::stdout(), "the configuration `{path}` is valid")?;
        return Ok(());
    }
    let discovery = Discovery::from_environment()?;
    tracing_subscriber::fmt()
        .with_ansi(false)
        .json()
        .flatten_event(true)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(&settings, discovery))
}

async fn serve(settings: &NodeSettings, discovery: Discovery) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let service = NodeService::start(settings, discovery, Clock::system()).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("the end was asked for");
    service.stop().await;
    Ok(())
}
