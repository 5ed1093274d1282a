//! Disks: DataVolumes, and where they are in the guest.

use serde_json::{Value, json};
use trustnet_api::disk::ReclaimPolicy;

use super::{Machine, labels, seed_name};
use crate::kubernetes::quantity;
use crate::vm::BootSource;

/// The disks of a VM.
#[derive(Default)]
pub(super) struct Disks {
    /// DataVolumes that go with the VM.
    pub templates: Vec<Value>,
    /// DataVolumes that outlive it.
    pub lasting: Vec<Value>,
    /// What the guest sees.
    pub devices: Vec<Value>,
    /// What is behind that.
    pub volumes: Vec<Value>,
}

impl Disks {
    fn add(&mut self, name: &str, mut device: Value, mut volume: Value) {
        device["name"] = name.into();
        device["disk"] = json!({ "bus": "virtio" });
        volume["name"] = name.into();
        self.devices.push(device);
        self.volumes.push(volume);
    }

    /// A DataVolume: one that outlives the VM, or one of its templates.
    fn data_volume(
        &mut self,
        machine: &Machine<'_>,
        name: &str,
        source: &Value,
        size: u64,
        lasts: bool,
    ) {
        let mut storage = json!({ "resources": { "requests": { "storage": quantity(size) } } });
        if let Some(class) = &machine.options.storage_class {
            storage["storageClassName"] = class.as_str().into();
        }
        let spec = json!({ "source": source, "storage": storage });
        if lasts {
            self.lasting.push(json!({
                "apiVersion": "cdi.kubevirt.io/v1beta1",
                "kind": "DataVolume",
                "metadata": machine.metadata(name, &labels(machine.vm, &machine.name)),
                "spec": spec,
            }));
        } else {
            self.templates
                .push(json!({ "metadata": { "name": name }, "spec": spec }));
        }
    }
}

/// The boot disk, the data disks, the seed, in the order in which the guest names them.
pub(super) fn disks(machine: &Machine<'_>, told: &mut Vec<String>) -> Disks {
    let vm = machine.vm;
    let mut disks = Disks::default();
    let boot = format!("{}-boot", machine.name);
    let source = source(machine, &boot, told);
    // The templates of a VM know no checksum.
    let lasts = source["http"].get("checksum").is_some();
    if lasts {
        told.push(format!(
            "its boot disk, the DataVolume `{boot}`, stays where it is deleted"
        ));
    }
    disks.data_volume(machine, &boot, &source, vm.boot_disk().size, lasts);
    disks.add(
        "boot",
        json!({ "bootOrder": 1 }),
        json!({ "dataVolume": { "name": boot } }),
    );
    for (index, disk) in vm.data_disks().iter().enumerate() {
        let name = format!("{}-{}", machine.name, disk.device);
        let lasts = disk.reclaim == ReclaimPolicy::Retain;
        disks.data_volume(machine, &name, &json!({ "blank": {} }), disk.size, lasts);
        let named = char::from(b'b' + u8::try_from(index).unwrap_or(u8::MAX - b'b'));
        if disk.device != format!("vd{named}") {
            told.push(format!(
                "its guest sees the disk `{}` as `vd{named}`",
                disk.device
            ));
        }
        let volume = json!({ "dataVolume": { "name": name } });
        disks.add(&disk.device, json!({ "serial": disk.serial }), volume);
    }
    let secret = json!({ "name": seed_name(&machine.name) });
    let seed =
        json!({ "cloudInitNoCloud": { "secretRef": secret, "networkDataSecretRef": secret } });
    disks.add("seed", json!({}), seed);
    disks
}

/// Where the boot disk's content is from: the catalogue's publisher, or the user's own hands.
fn source(machine: &Machine<'_>, name: &str, told: &mut Vec<String>) -> Value {
    let image = match &machine.vm.boot_disk().source {
        BootSource::Empty => return json!({ "blank": {} }),
        BootSource::Volume { volume, .. } => volume,
        BootSource::Path(path) => path,
    };
    let stem = image.strip_suffix(".qcow2").unwrap_or(image);
    let Ok(found) = machine.images.find(stem, machine.options.arch) else {
        told.push(format!(
            "the image `{image}` is not in the catalogue: bring it with `virtctl image-upload dv {name} \
             --namespace {} --no-create --image-path FILE`",
            machine.options.namespace
        ));
        return json!({ "upload": {} });
    };
    let wire = found.wire();
    let mut http = json!({ "url": wire.url });
    match &wire.digest {
        Some(digest) => http["checksum"] = digest.as_str().into(),
        None => told.push(format!(
            "nobody vouches for `{}` when CDI fetches it: its publisher's list of checksums is not read there",
            found.id()
        )),
    }
    json!({ "http": http })
}
