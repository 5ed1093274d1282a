//! Whether an object is ready, by what it says of itself.

use serde_json::Value;

/// How an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is ready, or there is nothing to wait for.
    Ready,
    /// It is not, and says so.
    Waiting(String),
}

/// Whether an object of that kind is waited for.
pub(super) fn is_waited_for(object: &Value) -> bool {
    match object["kind"].as_str() {
        Some("StatefulSet" | "DataVolume") => true,
        // One that is started by hand may never be ready.
        Some("VirtualMachine") => object["spec"]["runStrategy"] == "Always",
        _ => false,
    }
}

/// How an object stands that the server has.
pub(super) fn standing(object: &Value) -> Standing {
    let status = &object["status"];
    match object["kind"].as_str() {
        Some("StatefulSet") => stateful_set(object),
        Some("VirtualMachine") if status["ready"] == true => Standing::Ready,
        Some("VirtualMachine") => said(status["printableStatus"].as_str(), "not started yet"),
        // One that waits for its first consumer has done all that it can alone.
        Some("DataVolume") => match status["phase"].as_str() {
            Some("Succeeded" | "WaitForFirstConsumer" | "PendingPopulation") => Standing::Ready,
            phase => said(phase, "not begun yet"),
        },
        _ => Standing::Ready,
    }
}

fn said(word: Option<&str>, otherwise: &str) -> Standing {
    Standing::Waiting(word.unwrap_or(otherwise).to_owned())
}

fn stateful_set(object: &Value) -> Standing {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let status = &object["status"];
    if number(&status["observedGeneration"]) < number(&object["metadata"]["generation"]) {
        return said(None, "its controller has not seen it yet");
    }
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let updated = status["updateRevision"] == status["currentRevision"]
        || number(&status["updatedReplicas"]) >= wanted;
    let ready = number(&status["readyReplicas"]);
    if ready >= wanted && updated {
        return Standing::Ready;
    }
    Standing::Waiting(format!("{ready} of {wanted} pods ready"))
}

/// Why a pod is not ready, in the words of whoever starts it: none where there is only patience to have.
pub(super) fn reason(pod: &Value) -> Option<String> {
    let status = &pod["status"];
    let containers = status["containerStatuses"].as_array().into_iter().flatten();
    let mut waiting = containers.filter_map(|one| {
        let waiting = &one["state"]["waiting"];
        let reason = waiting["reason"].as_str()?;
        let message = waiting["message"].as_str();
        let last = one["lastState"]["terminated"]["message"].as_str();
        let usual = matches!(reason, "ContainerCreating" | "PodInitializing");
        (!usual || message.is_some()).then(|| match message.or(last) {
            Some(message) => format!("{reason}: {}", message.trim()),
            None => reason.to_owned(),
        })
    });
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut unscheduled = conditions.filter_map(|one| {
        let is_it = one["type"] == "PodScheduled" && one["status"] == "False";
        one["message"].as_str().filter(|_| is_it).map(str::to_owned)
    });
    waiting.next().or_else(|| unscheduled.next())
}

#[cfg(test)]
mod tests {
    use super::{Standing, is_waited_for, reason, standing};
    use serde_json::{Value, json};

    fn set(status: &Value) -> Standing {
        standing(&json!({
            "kind": "StatefulSet",
            "metadata": { "generation": 2 },
            "spec": { "replicas": 1 },
            "status": status,
        }))
    }

    #[test]
    fn a_stateful_set_is_ready_once_its_new_pods_are() {
        let waiting = |text: &str| Standing::Waiting(text.to_owned());
        assert_eq!(
            set(&json!({})),
            waiting("its controller has not seen it yet")
        );
        let old = json!({ "observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1 });
        assert_eq!(set(&old), waiting("its controller has not seen it yet"));
        let none =
            json!({ "observedGeneration": 2, "currentRevision": "a", "updateRevision": "a" });
        assert_eq!(set(&none), waiting("0 of 1 pods ready"));
        let half = json!({ "observedGeneration": 2, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "b" });
        assert_eq!(set(&half), waiting("1 of 1 pods ready"));
        let done = json!({ "observedGeneration": 2, "readyReplicas": 1, "currentRevision": "b", "updateRevision": "b" });
        assert_eq!(set(&done), Standing::Ready);
    }

    #[test]
    fn a_pod_says_why_it_is_not_ready() {
        let waiting = |waiting: Value| {
            reason(
                &json!({ "status": { "containerStatuses": [{ "state": { "waiting": waiting } }] } }),
            )
        };
        assert_eq!(waiting(json!({ "reason": "ContainerCreating" })), None);
        let pull = waiting(json!({ "reason": "ErrImagePull", "message": "not found " }));
        assert_eq!(pull.as_deref(), Some("ErrImagePull: not found"));
        let nowhere = json!({ "status": { "conditions": [
            { "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available" },
        ] } });
        assert_eq!(reason(&nowhere).as_deref(), Some("0/1 nodes are available"));
    }

    #[test]
    fn only_what_becomes_ready_by_itself_is_waited_for() {
        let vm = |strategy: &str| json!({ "kind": "VirtualMachine", "spec": { "runStrategy": strategy } });
        assert!(is_waited_for(&vm("Always")));
        assert!(!is_waited_for(&vm("Manual")));
        assert!(!is_waited_for(&json!({ "kind": "ConfigMap" })));
        let phase =
            |phase: &str| standing(&json!({ "kind": "DataVolume", "status": { "phase": phase } }));
        assert_eq!(phase("Succeeded"), Standing::Ready);
        assert_eq!(
            phase("ImportInProgress"),
            Standing::Waiting("ImportInProgress".to_owned())
        );
    }
}
