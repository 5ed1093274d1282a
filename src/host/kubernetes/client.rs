//! The way to a cluster.

use std::future::Future;
use std::time::Duration;

use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use trustnet_core::kubernetes::MANAGER;

use super::refusal::{self, Refusal};
use super::{ApplyError, Cluster, ObjectName};

/// Kinds whose objects are in no namespace.
const CLUSTER_WIDE: [&str; 1] = ["Namespace"];

/// A cluster that answers.
pub(super) struct Connection {
    client: Client,
    server: String,
    patience: Duration,
}

/// Runs something against a cluster.
pub(super) fn run<'a, T, F>(
    cluster: &Cluster,
    patience: Duration,
    work: impl FnOnce(Connection) -> F,
) -> Result<T, ApplyError>
where
    F: Future<Output = Result<T, ApplyError>> + 'a,
{
    let unusable = |why: String| ApplyError::Kubeconfig { why };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| unusable(error.to_string()))?;
    // Other crates may bring another provider, and then none is the process's own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let config = match &cluster.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let config = config.map_err(|error| unusable(refusal::words(&error)))?;
        let options = KubeConfigOptions {
            context: cluster.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = Config::from_custom_kubeconfig(config, &options).await;
        let mut config = config.map_err(|error| unusable(refusal::words(&error)))?;
        config.connect_timeout = Some(patience);
        config.read_timeout = Some(patience);
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| unusable(refusal::words(&error)))?;
        work(Connection {
            client,
            server,
            patience,
        })
        .await
    })
}

impl Connection {
    /// The object as the server has it.
    pub async fn get(&self, object: &Value) -> Result<Option<Value>, Refusal> {
        let name = ObjectName::of(object);
        let api = self.api(object);
        let found = self
            .answer(api.get_opt(&name.name), "look at", &name)
            .await?;
        Ok(found.map(written))
    }

    /// Applies an object, or asks what that would do.
    pub async fn apply(
        &self,
        object: &Value,
        force: bool,
        dry_run: bool,
    ) -> Result<Value, Refusal> {
        let name = ObjectName::of(object);
        let mut how = PatchParams::apply(MANAGER).validation_strict();
        how.force = force;
        how.dry_run = dry_run;
        let api = self.api(object);
        let doing = if dry_run { "check" } else { "apply" };
        let patch = Patch::Apply(object);
        let answer = self
            .answer(api.patch(&name.name, &how, &patch), doing, &name)
            .await?;
        Ok(written(answer))
    }

    /// The pods that an object's selector selects.
    pub async fn pods(&self, object: &Value) -> Result<Vec<Value>, Refusal> {
        let name = ObjectName::of(object);
        let labels = object["spec"]["selector"]["matchLabels"].as_object();
        let labels = labels.into_iter().flatten();
        let labels =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        let labels: Vec<String> = labels.collect();
        let pod = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "namespace": name.namespace },
        });
        let some = ListParams::default().labels(&labels.join(",")).limit(10);
        let api = self.api(&pod);
        let list = self
            .answer(api.list(&some), "list the pods of", &name)
            .await?;
        Ok(list.items.into_iter().map(written).collect())
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = text(&object["apiVersion"]);
        let (group, version) = version.rsplit_once('/').unwrap_or(("", &version));
        let kind = text(&object["kind"]);
        let kind = GroupVersionKind::gvk(group, version, &kind);
        let plural = plural(&kind.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &plural);
        match object["metadata"]["namespace"].as_str() {
            Some(namespace) if !CLUSTER_WIDE.contains(&kind.kind.as_str()) => {
                Api::namespaced_with(self.client.clone(), namespace, &resource)
            }
            _ => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// An answer in time. The client itself waits as long as a busy server asks it to, and tries again.
    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<T, kube::Error>>,
        doing: &'static str,
        object: &ObjectName,
    ) -> Result<T, Refusal> {
        match tokio::time::timeout(self.patience, call).await {
            Ok(answer) => answer.map_err(|error| refusal::of(error, doing, object, &self.server)),
            Err(_) => Err(Refusal::Other(ApplyError::Unreachable {
                server: self.server.clone(),
                why: format!("no answer in {} s", self.patience.as_secs()),
            })),
        }
    }
}

fn written(object: DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// The name of a kind's collection.
fn plural(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_kind_that_is_made_has_its_collection() {
        for (kind, plural) in [
            ("Namespace", "namespaces"),
            ("Secret", "secrets"),
            ("ConfigMap", "configmaps"),
            ("Service", "services"),
            ("StatefulSet", "statefulsets"),
            ("NetworkPolicy", "networkpolicies"),
            ("PodDisruptionBudget", "poddisruptionbudgets"),
            ("VirtualMachine", "virtualmachines"),
            ("DataVolume", "datavolumes"),
            ("Pod", "pods"),
        ] {
            assert_eq!(super::plural(kind), plural);
        }
    }
}
