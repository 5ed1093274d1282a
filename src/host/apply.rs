//! The one loop that runs steps. It makes no choices: the plan says what happens, the journal how
//! far it has come. Printing and metrics only listen to its events.

/// A guest's end.
mod shut_down;

use std::time::{Duration, Instant};

use trustnet_core::plan::{Plan, Step, Verb};
use trustnet_core::readiness::Phase;
use trustnet_core::seed;

use crate::cache::store::Store;
use crate::cache_disk::{self, Wanted};
use crate::doors::{Hypervisor, Power, VolumeRef};
use crate::error::{BackendError, BackendErrorKind, HostError, chain};
use crate::interrupt::Interrupt;
use crate::journal::{Journal, Mark};
use crate::login;
use crate::ready::{self, NotReady, ReadyOptions};
pub use shut_down::{ShutDown, shut_down};

/// What happens while a plan is applied.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step begins.
    Started(usize, &'a Step),
    /// A step is done.
    Finished(usize, &'a Step, Duration),
    /// The guest has come to a phase.
    Guest(Phase),
    /// Something that the user should know.
    Note(String),
    /// A step is being undone.
    Undoing(usize, &'a Step),
}

/// Why a plan was not applied to its end.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A step failed; what was made before is undone.
    #[error("failed to {step}")]
    Failed {
        /// The step.
        step: String,
        /// Why.
        source: HostError,
    },
    /// A step failed, and so did undoing; the journal holds the rest.
    #[error("failed to {step}, and what was made was not undone: {}", chain(undo))]
    Stuck {
        /// The step.
        step: String,
        /// Why.
        source: HostError,
        /// Why it could not be undone.
        undo: HostError,
    },
    /// A step of a destroy failed after something had gone for good; the journal holds the rest.
    #[error("failed to {step}")]
    Unfinished {
        /// The step.
        step: String,
        /// Why.
        source: HostError,
    },
    /// The VM is there, and its guest is not ready. It is left for a look.
    #[error(transparent)]
    NotReady(NotReady),
    /// The user interrupted, and what was made is undone.
    #[error("interrupted; what was made is undone")]
    Undone,
    /// The user interrupted; the journal holds the rest.
    #[error("interrupted; the journal holds the rest")]
    Left,
}

/// What applying needs beside the plan.
pub struct Context<'a> {
    /// The hypervisor.
    pub hypervisor: &'a dyn Hypervisor,
    /// How to wait for the guest.
    pub ready: ReadyOptions<'a>,
    /// Interruption by the user.
    pub interrupt: &'a Interrupt,
    /// Who listens.
    pub listen: &'a (dyn Fn(Event<'_>) + Sync),
}

/// Runs what remains of a journal's plan, from its first step that is not done.
///
/// # Errors
/// A step failed, the guest is not ready, or the user interrupted; see [`ApplyError`] for what is
/// then left.
pub fn apply(mut journal: Journal, context: &Context<'_>) -> Result<(), ApplyError> {
    let plan = journal.plan().clone();
    for (index, step) in plan.steps.iter().enumerate() {
        if journal.marks()[index] == Mark::Done {
            continue;
        }
        if context.interrupt.stop() {
            return interrupted(journal, &plan, context);
        }
        (context.listen)(Event::Started(index, step));
        tracing::debug!(vm = plan.vm, index, %step, "taking a step");
        let begun = Instant::now();
        let again = journal.marks()[index] == Mark::Begun;
        let taken = journal
            .mark(index, Mark::Begun)
            .map_err(StepError::Host)
            .and_then(|()| take(step, &plan, &journal, context, again))
            .and_then(|()| journal.mark(index, Mark::Done).map_err(StepError::Host));
        match taken {
            Ok(()) => (context.listen)(Event::Finished(index, step, begun.elapsed())),
            Err(StepError::Interrupted) => return interrupted(journal, &plan, context),
            Err(StepError::NotReady(why)) => {
                // The VM stays: what is left to do (scrubbing) is done when it is seen ready.
                if let Err(source) = journal.finish() {
                    return Err(ApplyError::Failed {
                        step: step.to_string(),
                        source,
                    });
                }
                return Err(ApplyError::NotReady(why));
            }
            Err(StepError::Host(source)) => {
                if !again && was_there(step, &source) {
                    // Not of our making: it is not undone.
                    if let Err(undo) = journal.mark(index, Mark::Pending) {
                        return Err(ApplyError::Stuck {
                            step: step.to_string(),
                            source,
                            undo,
                        });
                    }
                }
                return Err(failed(journal, &plan, step, source, context));
            }
        }
    }
    journal.finish().map_err(|source| ApplyError::Failed {
        step: "close the journal".to_owned(),
        source,
    })
}

/// Undoes what a journal's plan has done, in reverse.
///
/// # Errors
/// Something could not be undone; the journal stays.
pub fn rollback(mut journal: Journal, context: &Context<'_>) -> Result<(), HostError> {
    let plan = journal.plan().clone();
    undo_all(&mut journal, &plan, context)?;
    journal.finish()
}

/// Whether a journal's plan can be undone: a destroy only until its first loss.
#[must_use]
pub fn can_roll_back(journal: &Journal) -> bool {
    let lossy = |step: &Step| {
        matches!(
            step,
            Step::UndefineDomain | Step::DeleteVolume { .. } | Step::RemoveLoginKey { .. }
        )
    };
    let touched = |(step, mark): (&Step, &Mark)| lossy(step) && *mark != Mark::Pending;
    journal.plan().verb == Verb::Create
        || !journal
            .plan()
            .steps
            .iter()
            .zip(journal.marks())
            .any(touched)
}

/// Whether a volume could not be made because somebody else's was there.
fn was_there(step: &Step, error: &HostError) -> bool {
    let exists = |source: &BackendError| source.kind == BackendErrorKind::Exists;
    matches!((step, error), (Step::CreateVolume { .. } | Step::CopyVolume { .. }, HostError::Storage { source, .. }) if exists(source))
}

enum StepError {
    Host(HostError),
    NotReady(NotReady),
    Interrupted,
}

impl From<HostError> for StepError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

fn failed(
    mut journal: Journal,
    plan: &Plan,
    step: &Step,
    source: HostError,
    context: &Context<'_>,
) -> ApplyError {
    let runs = matches!(step, Step::AwaitReady | Step::ScrubSeed { .. });
    let step = step.to_string();
    if runs || !can_roll_back(&journal) {
        // What is gone is gone, and a VM that runs is no rubbish because a line to it broke: the
        // journal stays, and `resume` finishes.
        return ApplyError::Unfinished { step, source };
    }
    match undo_all(&mut journal, plan, context).and_then(|()| journal.finish()) {
        Ok(()) => ApplyError::Failed { step, source },
        Err(undo) => ApplyError::Stuck { step, source, undo },
    }
}

fn interrupted(mut journal: Journal, plan: &Plan, context: &Context<'_>) -> Result<(), ApplyError> {
    if context.interrupt.leave() || !can_roll_back(&journal) {
        return Err(ApplyError::Left);
    }
    match undo_all(&mut journal, plan, context).and_then(|()| journal.finish()) {
        Ok(()) => Err(ApplyError::Undone),
        Err(undo) => {
            (context.listen)(Event::Note(format!(
                "not everything could be undone: {}",
                chain(&undo)
            )));
            Err(ApplyError::Left)
        }
    }
}

fn undo_all(journal: &mut Journal, plan: &Plan, context: &Context<'_>) -> Result<(), HostError> {
    for (index, step) in plan.steps.iter().enumerate().rev() {
        if journal.marks()[index] == Mark::Pending {
            continue;
        }
        (context.listen)(Event::Undoing(index, step));
        tracing::debug!(vm = plan.vm, index, %step, "undoing a step");
        undo(step, plan, context)?;
        journal.mark(index, Mark::Pending)?;
    }
    Ok(())
}

/// Undoes one step. What only this run can have made goes; what was there before stays.
fn undo(step: &Step, plan: &Plan, context: &Context<'_>) -> Result<(), HostError> {
    let hypervisor = context.hypervisor;
    let domains = hypervisor.domains();
    match step {
        Step::CreateVolume { pool, volume, .. } | Step::CopyVolume { pool, volume, .. } => {
            hypervisor.volumes().delete(VolumeRef::Named(pool, volume))
        }
        Step::StartDomain => match domains.state(&plan.uuid)? {
            Some(state) if state.is_active() => domains.power(&plan.uuid, Power::Cut),
            _ => Ok(()),
        },
        Step::KeepLoginKey { public } => login::remove(context.ready.paths, &plan.uuid, public),
        Step::DefineDomain { .. } => domains.undefine(&plan.uuid),
        Step::EnsurePool { .. }
        | Step::EnsureCacheVolume { .. }
        | Step::AdoptVolume { .. }
        | Step::WriteSeed { .. }
        | Step::SetAutostart
        | Step::AwaitReady
        | Step::ScrubSeed { .. }
        | Step::ShutDown { .. }
        | Step::UndefineDomain
        | Step::DeleteVolume { .. }
        | Step::RemoveLoginKey { .. } => Ok(()),
    }
}

/// Takes one step. `again`: it was begun before and may be done, in whole or in part.
fn take(
    step: &Step,
    plan: &Plan,
    journal: &Journal,
    context: &Context<'_>,
    again: bool,
) -> Result<(), StepError> {
    let hypervisor = context.hypervisor;
    let (domains, volumes) = (hypervisor.domains(), hypervisor.volumes());
    let uuid = &plan.uuid;
    match step {
        Step::EnsurePool { pool, xml } => hypervisor.pools().ensure(pool, xml)?,
        Step::CreateVolume {
            pool, volume, xml, ..
        } => {
            if again {
                volumes.delete(VolumeRef::Named(pool, volume))?;
            }
            volumes.create(pool, xml)?;
        }
        Step::CopyVolume {
            pool,
            volume,
            xml,
            image_pool,
            image,
            ..
        } => {
            if again {
                volumes.delete(VolumeRef::Named(pool, volume))?;
            }
            volumes.copy(VolumeRef::Named(image_pool, image), pool, xml)?;
        }
        Step::EnsureCacheVolume {
            pool,
            volume,
            xml,
            artifacts,
            ..
        } => {
            let wanted = Wanted {
                pool,
                volume,
                xml,
                artifacts,
            };
            return ensure_cache_volume(&wanted, context);
        }
        Step::AdoptVolume { .. } => {}
        Step::WriteSeed { pool, volume } => {
            volumes.write(VolumeRef::Named(pool, volume), &journal.seed()?)?
        }
        Step::KeepLoginKey { public } => {
            login::keep(context.ready.paths, uuid, public, &journal.login_key()?)?
        }
        Step::DefineDomain { xml } => domains.define(xml)?,
        Step::SetAutostart => domains.power(uuid, Power::OnWithHost)?,
        Step::StartDomain => {
            if !(again && domains.state(uuid)?.is_some_and(|state| state.is_active())) {
                domains.power(uuid, Power::On)?;
            }
        }
        Step::AwaitReady => return await_ready(plan, context),
        Step::ScrubSeed { pool, volume } => scrub(hypervisor, VolumeRef::Named(pool, volume))?,
        Step::ShutDown { deadline_s } => {
            let end = shut_down(
                hypervisor,
                uuid,
                Duration::from_secs(*deadline_s),
                context.interrupt,
            )?;
            if end == ShutDown::Interrupted {
                return Err(StepError::Interrupted);
            }
        }
        Step::UndefineDomain => domains.undefine(uuid)?,
        Step::DeleteVolume { pool, volume } => volumes.delete(VolumeRef::Named(pool, volume))?,
        Step::RemoveLoginKey { public } => login::remove(context.ready.paths, uuid, public)?,
    }
    Ok(())
}

/// Whether it was begun before makes no difference: the volume itself tells how far it has come.
fn ensure_cache_volume(wanted: &Wanted<'_>, context: &Context<'_>) -> Result<(), StepError> {
    let store = Store::open(&context.ready.paths.artifacts)?;
    let stop = || context.interrupt.stop();
    match cache_disk::ensure(context.hypervisor, &store, wanted, &stop) {
        Err(_) if stop() => Err(StepError::Interrupted),
        other => Ok(other?),
    }
}

fn await_ready(plan: &Plan, context: &Context<'_>) -> Result<(), StepError> {
    let listen = |event: ready::Progress| match event {
        ready::Progress::Phase(phase) => (context.listen)(Event::Guest(phase)),
        ready::Progress::Note(note) => (context.listen)(Event::Note(note)),
    };
    match ready::await_guest(
        context.hypervisor,
        &plan.uuid,
        &context.ready,
        context.interrupt,
        &listen,
    ) {
        Ok(()) => Ok(()),
        Err(ready::AwaitError::NotReady(why)) => Err(StepError::NotReady(why)),
        Err(ready::AwaitError::Interrupted) => Err(StepError::Interrupted),
        Err(ready::AwaitError::Host(error)) => Err(StepError::Host(error)),
    }
}

/// Overwrites the private host key in a seed, if it is still there.
///
/// # Errors
/// The volume cannot be read or written.
pub fn scrub(hypervisor: &dyn Hypervisor, volume: VolumeRef<'_>) -> Result<(), HostError> {
    let volumes = hypervisor.volumes();
    let Some(facts) = volumes.find(volume)? else {
        // No seed, no key in it.
        return Ok(());
    };
    let mut bytes = volumes.read(volume, facts.capacity)?;
    if seed::scrub(&mut bytes) {
        volumes.write(volume, &bytes)
    } else {
        Ok(())
    }
}
