//! VMs as objects of KubeVirt and CDI: for users who outgrow one hypervisor.
//!
//! <https://kubevirt.io/api-reference/>, <https://github.com/kubevirt/containerized-data-importer>

mod disks;
mod interfaces;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use trustnet_api::vm::{CpuMode, Firmware};

use crate::artifact::Arch;
use crate::image::catalogue::Catalogue;
use crate::kubernetes::{
    MANAGER, NAMESPACE, Notice, Refused, bad_labels, check_places, name_of, namespace, own_labels,
};
use crate::problem::Problem;
use crate::seed::Seed;
use crate::vm::{VM_POOL, Vm};

/// How the objects are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The namespace of all of them.
    pub namespace: String,
    /// The storage class of the disks; none for the cluster's default.
    pub storage_class: Option<String>,
    /// The guests' architecture.
    pub arch: Arch,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: NAMESPACE.to_owned(),
            storage_class: None,
            arch: Arch::Amd64,
        }
    }
}

/// What VMs become.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifests {
    /// The objects, in the order in which they are applied, but for the Secrets with the seeds.
    pub objects: Vec<Value>,
    /// What has no equivalent.
    pub notices: Vec<Notice>,
}

/// What a VM's objects are made from.
struct Machine<'a> {
    vm: &'a Vm,
    /// The name of its objects.
    name: String,
    options: &'a Options,
    images: &'a Catalogue,
}

/// The objects of VMs. Their seeds are Secrets beside them: see [`seed_secret`].
///
/// # Errors
/// A name that no object can have, or that two would have.
pub fn manifests(
    vms: &[&Vm],
    images: &Catalogue,
    options: &Options,
) -> Result<Manifests, Vec<Refused>> {
    let mut refused = check_places(&options.namespace, options.storage_class.as_deref());
    let mut objects: Vec<Value> = namespace(&options.namespace, false).into_iter().collect();
    let mut notices = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for vm in vms {
        let refuse = |problem| Refused {
            name: vm.name().to_string(),
            problem,
        };
        let name = match name_of(vm.name()) {
            Ok(name) => name,
            Err(problem) => {
                refused.push(refuse(problem));
                continue;
            }
        };
        if names.contains(&name) {
            let message = format!("another VM is `{name}` in Kubernetes, too");
            let hint = "`_` becomes `-` there; choose another name";
            refused.push(refuse(Problem::error("metadata.name", message).hint(hint)));
        }
        names.push(name.clone());
        let machine = Machine {
            vm,
            name,
            options,
            images,
        };
        objects.extend(machine.objects(&mut notices));
    }
    if refused.is_empty() {
        Ok(Manifests { objects, notices })
    } else {
        Err(refused)
    }
}

/// The name of the Secret with a VM's seed.
fn seed_name(name: &str) -> String {
    format!("{name}-seed")
}

/// The Secret with a VM's seed. KubeVirt has no vendor-data: our part goes before the user's, in one user-data.
///
/// # Errors
/// A name that no object can have.
pub fn seed_secret(vm: &Vm, seed: &Seed, options: &Options) -> Result<Value, Problem> {
    let name = name_of(vm.name())?;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": seed_name(&name),
            "namespace": options.namespace,
            "labels": labels(vm, &name),
        },
        "type": "Opaque",
        // `stringData` does not go well with server-side apply.
        "data": {
            "userdata": STANDARD.encode(seed.single_user_data()),
            "networkdata": STANDARD.encode(&seed.network_config),
        },
    }))
}

fn labels(vm: &Vm, name: &str) -> Map<String, Value> {
    let mut labels = own_labels(vm);
    labels.insert("app.kubernetes.io/name".into(), name.into());
    labels.insert("app.kubernetes.io/managed-by".into(), MANAGER.into());
    labels
}

impl Machine<'_> {
    fn objects(&self, notices: &mut Vec<Notice>) -> Vec<Value> {
        let vm = self.vm;
        let mut told: Vec<String> = Vec::new();
        let disks = disks::disks(self, &mut told);
        let interfaces = interfaces::interfaces(vm, &mut told);
        let domain = self.domain(&disks, &interfaces, &mut told);
        self.strange(&mut told);
        let labels = labels(vm, &self.name);
        let mut of_pod = Value::from(self::labels(vm, &self.name));
        of_pod["kubevirt.io/vm"] = self.name.as_str().into();
        let machine = json!({
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "metadata": self.metadata(&self.name, &labels),
            "spec": {
                "runStrategy": if vm.autostart() { "Always" } else { "Manual" },
                "dataVolumeTemplates": disks.templates,
                "template": {
                    "metadata": { "labels": of_pod },
                    "spec": {
                        "architecture": self.options.arch.to_string(),
                        "domain": domain,
                        "hostname": vm.guest().hostname,
                        "networks": interfaces.networks,
                        "terminationGracePeriodSeconds": 30,
                        "volumes": disks.volumes,
                    },
                },
            },
        });
        notices.extend(told.into_iter().map(|message| Notice {
            name: vm.name().to_string(),
            message,
        }));
        disks.lasting.into_iter().chain([machine]).collect()
    }

    fn metadata(&self, name: &str, labels: &Map<String, Value>) -> Value {
        json!({ "name": name, "namespace": self.options.namespace, "labels": labels })
    }

    fn domain(
        &self,
        disks: &disks::Disks,
        interfaces: &interfaces::Interfaces,
        told: &mut Vec<String>,
    ) -> Value {
        let vm = self.vm;
        let model = match vm.cpu_mode() {
            CpuMode::HostModel => "host-model",
            CpuMode::HostPassthrough => "host-passthrough",
            CpuMode::Maximum => {
                told.push("`cpuMode: maximum` is `host-model` in KubeVirt".to_owned());
                "host-model"
            }
        };
        let bootloader = match vm.firmware() {
            Firmware::Bios => json!({ "bios": {} }),
            Firmware::Uefi => json!({ "efi": { "secureBoot": false } }),
            Firmware::UefiSecure => json!({ "efi": { "secureBoot": true } }),
        };
        let mut features = json!({ "acpi": {} });
        if vm.firmware() == Firmware::UefiSecure {
            features["smm"] = json!({ "enabled": true });
        }
        let mut devices = json!({
            "autoattachGraphicsDevice": false,
            "autoattachSerialConsole": true,
            "disks": disks.devices,
            "interfaces": interfaces.devices,
            "rng": {},
        });
        if vm.tpm() {
            devices["tpm"] = json!({ "persistent": true });
            told.push(
                "a TPM that lasts needs `vmStateStorageClass` in KubeVirt's configuration"
                    .to_owned(),
            );
        }
        let machine = match self.options.arch {
            Arch::Amd64 => "q35",
            Arch::Arm64 => "virt",
        };
        json!({
            "cpu": { "cores": vm.vcpus(), "model": model, "sockets": 1, "threads": 1 },
            "devices": devices,
            "features": features,
            "firmware": { "bootloader": bootloader, "uuid": vm.uuid().to_string() },
            "machine": { "type": machine },
            "memory": { "guest": format!("{}Mi", vm.memory_mib()) },
        })
    }

    /// What a VM of libvirt's has, and one of KubeVirt's has not.
    fn strange(&self, told: &mut Vec<String>) {
        let vm = self.vm;
        let written = &vm.wire().spec;
        for service in &written.services {
            told.push(format!(
                "nobody brings the service `{}` into it: provisioning goes to libvirt's guests",
                service.name
            ));
        }
        if vm.protected() {
            told.push("`protected` has no equivalent: `kubectl delete` takes it away".to_owned());
        }
        if written.cache_disk.is_some() {
            told.push("it has no cache disk".to_owned());
        }
        if !written.depends_on.is_empty() {
            told.push("it waits for no other VM: `dependsOn` has no equivalent".to_owned());
        }
        if vm.pool() != VM_POOL && self.options.storage_class.is_none() {
            told.push(format!(
                "the pool `{}` has no equivalent: its disks are in the cluster's default storage class",
                vm.pool()
            ));
        }
        let bad = bad_labels(vm).into_iter();
        told.extend(bad.map(|key| format!("Kubernetes does not take the label `{key}`")));
        if !vm.wire().metadata.annotations.is_empty() {
            told.push("its annotations stay in its spec".to_owned());
        }
    }
}
