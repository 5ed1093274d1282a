//! What a server says when it refuses, as errors of ours.

use kube::core::Status;

use super::{ApplyError, Conflict, ObjectName};

/// The reason of a cause that is another manager's field.
const MANAGED: &str = "FieldManagerConflict";

/// Why a call did not succeed.
pub(super) enum Refusal {
    /// Others have fields of the object.
    Conflicts(Vec<Conflict>),
    /// Anything else.
    Other(ApplyError),
}

/// What went wrong with an object, of the server at that address.
pub(super) fn of(
    error: kube::Error,
    doing: &'static str,
    object: &ObjectName,
    server: &str,
) -> Refusal {
    let status = match error {
        kube::Error::Api(status) => status,
        other => {
            return Refusal::Other(ApplyError::Unreachable {
                server: server.to_owned(),
                why: words(&other),
            });
        }
    };
    let conflicts = conflicts(&status, object);
    if !conflicts.is_empty() {
        return Refusal::Conflicts(conflicts);
    }
    Refusal::Other(ApplyError::Refused {
        doing,
        object: object.clone(),
        why: message(&status),
        code: status.code,
    })
}

/// An error and what is behind it, each thing once.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

fn message(status: &Status) -> String {
    if status.message.is_empty() {
        format!("{} ({})", status.reason, status.code)
    } else {
        status.message.clone()
    }
}

fn conflicts(status: &Status, object: &ObjectName) -> Vec<Conflict> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let managed = causes.filter(|cause| cause.reason == MANAGED);
    let each = managed.map(|cause| Conflict {
        object: object.clone(),
        field: cause.field.clone(),
        // `conflict with "kubectl" using apps/v1`, or with a subresource and a time.
        manager: cause
            .message
            .split('"')
            .nth(1)
            .unwrap_or(&cause.message)
            .to_owned(),
    });
    each.collect()
}
