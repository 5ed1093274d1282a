//! Artifacts on their way into the guest, verified before they leave.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use trustnet_core::artifact::Digest;
use trustnet_core::provision::{Report, Stage};

use super::{Event, Job, ProvisionError};
use crate::error::HostError;
use crate::shell::Shell;

/// Where the guest keeps what is sent.
const FOLDER: &str = "/var/cache/trustnet-vm";

/// Where artifacts are taken from.
pub trait Blobs: Sync {
    /// The file of an artifact, whose bytes have been looked at in this run and are the same still, and their number.
    ///
    /// # Errors
    /// It is not there, or is no longer what it was.
    fn take(
        &self,
        digest: &Digest,
    ) -> Result<(PathBuf, u64), Box<dyn std::error::Error + Send + Sync>>;
}

/// Sends what the steps to be taken need and the guest has not.
///
/// # Errors
/// An artifact is not what it should be, or the connection is gone.
pub(super) fn missing(
    shell: &mut dyn Shell,
    job: &Job<'_>,
    stages: &[Stage],
    report: &Report,
) -> Result<(), ProvisionError> {
    let numbers = stages.iter().flat_map(|stage| match stage {
        Stage::Guest(steps) => steps.clone(),
        Stage::Host(_) => Vec::new(),
    });
    let wanted: BTreeSet<Digest> = numbers
        .flat_map(|number| job.program.steps[number].artifacts())
        .filter(|digest| !report.artifacts.contains(digest))
        .collect();
    // All are looked at before the first one leaves.
    let mut files = Vec::new();
    for digest in wanted {
        let (path, size) = job
            .blobs
            .take(&digest)
            .map_err(|source| ProvisionError::Artifact {
                digest: digest.to_string(),
                source,
            })?;
        files.push((digest, path, size));
    }
    let total: u64 = files.iter().map(|(_, _, size)| size).sum();
    let mut before = 0;
    for (digest, path, size) in files {
        if job.interrupt.stop() {
            return Err(ProvisionError::Interrupted);
        }
        let unread = |source: std::io::Error| ProvisionError::Artifact {
            digest: digest.to_string(),
            source: Box::new(HostError::file("read", &path)(source)),
        };
        let mut file = File::open(&path).map_err(unread)?;
        let mut progress = |sent| super::tell(job, Event::Sending(before + sent, total));
        shell.put(
            &mut file,
            size,
            &format!("{FOLDER}/{digest}"),
            0o600,
            &mut progress,
        )?;
        before += size;
    }
    Ok(())
}
