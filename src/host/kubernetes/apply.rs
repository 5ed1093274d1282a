//! The order of things: what the server says of all objects, then the objects, then the wait.

use std::time::Instant;

use serde_json::Value;
use trustnet_core::kubernetes::MANAGED_BY;

use super::client::Connection;
use super::error::Unready;
use super::ready::{self, Standing};
use super::refusal::Refusal;
use super::{Applied, ApplyError, Change, Conflict, Event, How, ObjectName};

/// Kinds that others need, in the order in which they are applied; all others come behind.
const FIRST: [&str; 7] = [
    "Namespace",
    "Secret",
    "ConfigMap",
    "Service",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "DataVolume",
];

/// Applies objects and waits for them.
pub(super) async fn run(
    cluster: Connection,
    objects: &[Value],
    how: &How<'_>,
    tell: &mut dyn FnMut(Event),
) -> Result<Applied, ApplyError> {
    let mut ordered: Vec<&Value> = objects.iter().collect();
    ordered.sort_by_key(|object| {
        let kind = object["kind"].as_str().unwrap_or_default();
        FIRST
            .iter()
            .position(|first| *first == kind)
            .unwrap_or(FIRST.len())
    });
    let (namespaces, others): (Vec<&Value>, Vec<&Value>) = ordered
        .into_iter()
        .partition(|object| object["kind"] == "Namespace");
    let mut applied = Applied::new();
    let mut absent = false;
    for namespace in &namespaces {
        let change = make_namespace(&cluster, namespace, how).await?;
        absent |= how.dry_run && change == Change::Created;
        done(&mut applied, namespace, change, tell);
    }
    // In a namespace that is not there the server looks at nothing.
    if absent {
        return Ok(applied);
    }
    let before = check(&cluster, &others, how).await?;
    tell(Event::Checked {
        count: others.len(),
    });
    if how.dry_run {
        return Ok(applied);
    }
    for (object, before) in others.iter().zip(&before) {
        let after = cluster.apply(object, how.force_conflicts, false).await;
        let after = after.map_err(error)?;
        let change = change(before.as_ref(), &after);
        done(&mut applied, object, change, tell);
    }
    if let Some(limit) = how.wait {
        wait(&cluster, &others, how, limit, tell).await?;
    }
    Ok(applied)
}

fn done(applied: &mut Applied, object: &Value, change: Change, tell: &mut dyn FnMut(Event)) {
    let object = ObjectName::of(object);
    tell(Event::Applied {
        object: object.clone(),
        change,
    });
    applied.push((object, change));
}

/// What the server says of each object, and how it has them now. What others have is told of all of them at once.
async fn check(
    cluster: &Connection,
    objects: &[&Value],
    how: &How<'_>,
) -> Result<Vec<Option<Value>>, ApplyError> {
    let mut before = Vec::new();
    let mut conflicts: Vec<Conflict> = Vec::new();
    for object in objects {
        before.push(cluster.get(object).await.map_err(error)?);
        match cluster.apply(object, how.force_conflicts, true).await {
            Ok(_) => {}
            Err(Refusal::Conflicts(found)) => conflicts.extend(found),
            Err(Refusal::Other(error)) => return Err(error),
        }
    }
    if conflicts.is_empty() {
        Ok(before)
    } else {
        Err(ApplyError::Conflicts(conflicts))
    }
}

/// A namespace; one that is there and somebody else's stays as it is, for what we write to it holds for all pods in it.
async fn make_namespace(
    cluster: &Connection,
    namespace: &Value,
    how: &How<'_>,
) -> Result<Change, ApplyError> {
    let before = cluster.get(namespace).await.map_err(error)?;
    let ours = |object: &Value| {
        object["metadata"]["labels"][MANAGED_BY] == namespace["metadata"]["labels"][MANAGED_BY]
    };
    if before.as_ref().is_some_and(|before| !ours(before)) {
        return Ok(Change::Left);
    }
    match cluster
        .apply(namespace, how.force_conflicts, how.dry_run)
        .await
    {
        Ok(after) => Ok(change(before.as_ref(), &after)),
        Err(Refusal::Other(ApplyError::Refused { code: 403, .. })) if before.is_some() => {
            Ok(Change::Left)
        }
        Err(refusal) => Err(error(refusal)),
    }
}

fn error(refusal: Refusal) -> ApplyError {
    match refusal {
        Refusal::Conflicts(conflicts) => ApplyError::Conflicts(conflicts),
        Refusal::Other(error) => error,
    }
}

fn change(before: Option<&Value>, after: &Value) -> Change {
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    match before {
        None => Change::Created,
        Some(before) if version(before) == version(after) => Change::Unchanged,
        Some(_) => Change::Changed,
    }
}

/// Looks at the objects again and again, until all are ready.
async fn wait(
    cluster: &Connection,
    objects: &[&Value],
    how: &How<'_>,
    limit: std::time::Duration,
    tell: &mut dyn FnMut(Event),
) -> Result<(), ApplyError> {
    let begun = Instant::now();
    let waited_for = objects.iter().filter(|object| ready::is_waited_for(object));
    let mut open: Vec<(&Value, String)> =
        waited_for.map(|object| (*object, String::new())).collect();
    loop {
        let mut still = Vec::new();
        for (object, last) in open {
            let now = look(cluster, object).await?;
            let name = ObjectName::of(object);
            match now {
                Standing::Ready => tell(Event::Ready { object: name }),
                Standing::Waiting(said) => {
                    if said != last {
                        tell(Event::Waiting {
                            object: name,
                            said: said.clone(),
                        });
                    }
                    still.push((object, said));
                }
            }
        }
        open = still;
        if open.is_empty() {
            return Ok(());
        }
        if (how.stop)() {
            return Err(ApplyError::Interrupted);
        }
        if begun.elapsed() >= limit {
            let objects = open.into_iter().map(|(object, said)| Unready {
                object: ObjectName::of(object),
                said,
            });
            return Err(ApplyError::NotReady {
                waited_s: limit.as_secs(),
                objects: objects.collect(),
            });
        }
        tokio::time::sleep(how.pause).await;
    }
}

async fn look(cluster: &Connection, object: &Value) -> Result<Standing, ApplyError> {
    let Some(there) = cluster.get(object).await.map_err(error)? else {
        return Ok(Standing::Waiting("somebody has taken it away".to_owned()));
    };
    let standing = ready::standing(&there);
    let Standing::Waiting(said) = &standing else {
        return Ok(standing);
    };
    if object["kind"] != "StatefulSet" {
        return Ok(standing);
    }
    // Who may not look at pods does not hear why.
    let pods = cluster.pods(object).await.unwrap_or_default();
    let reason = pods.iter().find_map(ready::reason);
    Ok(match reason {
        Some(reason) => Standing::Waiting(format!("{said} ({reason})")),
        None => standing,
    })
}
