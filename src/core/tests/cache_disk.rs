//! The cache disk in plans: made once, shared by all, gone with none.

use trustnet_core::artifact::{ArtifactSet, Digest};
use trustnet_core::cache_disk::{self, Standing};
use trustnet_core::observed::{DomainFacts, DomainState, Observed};
use trustnet_core::plan::{
    self, Artifacts, CreateInput, DestroyOptions, Goal, Plan, PublicKeys, Refusal, Step,
};
use trustnet_core::vm::{VM_POOL, Vm};
use trustnet_core::xml::{DomainType, read_domain};

fn vm(more: &str) -> Vm {
    let text = format!(
        "apiVersion: trustnet.io/v1alpha1\n\
         kind: VirtualMachine\n\
         metadata: {{ name: web }}\n\
         spec:\n  vcpus: 1\n  memory: 768Mi\n  \
         bootDisk: {{ size: 4Gi, image: debian-12.qcow2 }}\n  \
         networkInterfaces: [{{ user: {{ sshPort: 2201 }} }}]\n{more}"
    );
    let (mut documents, problems) = trustnet_core::load::load(text.as_bytes());
    assert_eq!(problems, []);
    Vm::resolve(&documents.remove(0).object).expect("valid").0
}

fn set() -> ArtifactSet {
    ArtifactSet::new([(Digest::of(b"a"), 300 << 20), (Digest::of(b"b"), 5)])
}

fn host(vm: &Vm, volume: Option<Standing>) -> Observed {
    let mut observed = plan::ideal_host(vm, true, DomainType::Kvm);
    observed.cache_volume = volume;
    observed
}

fn planned(vm: &Vm, observed: &Observed, sharing: usize) -> Result<Plan, Vec<Refusal>> {
    let set = set();
    let goal = plan::create(&CreateInput {
        vm,
        observed,
        keys: PublicKeys {
            host: "ssh-ed25519 AAAA(public)",
            login: "ssh-ed25519 AAAA(login)",
        },
        folder: None,
        seed_size: 65536,
        wait: false,
        version: "0.0.0",
        artifacts: (sharing > 0).then_some(Artifacts { set: &set, sharing }),
    })?;
    match goal {
        Goal::Steps(plan) => Ok(*plan),
        Goal::Reached => unreachable!("there is no such VM yet"),
    }
}

fn domain(plan: &Plan) -> &str {
    let defined = plan.steps.iter().find_map(|step| match step {
        Step::DefineDomain { xml } => Some(xml.as_str()),
        _ => None,
    });
    defined.expect("a domain")
}

fn targets(plan: &Plan) -> Vec<String> {
    let disks = read_domain(domain(plan)).disks;
    disks.into_iter().map(|disk| disk.target).collect()
}

const ASKED: &str = "  cacheDisk: {}\n";

#[test]
fn the_disk_is_made_where_it_is_not_whole_and_attached_where_it_is() {
    let vm = vm(ASKED);
    let first = planned(&vm, &host(&vm, None), 1).expect("a plan");
    assert_eq!(
        planned(&vm, &host(&vm, Some(Standing::Begun)), 1).expect("a plan"),
        first
    );
    let next = planned(&vm, &host(&vm, Some(Standing::Complete)), 1).expect("a plan");
    insta::assert_snapshot!(format!("{first}{next}"), @r#"
    create `web`:
      1. make sure that pool `foundry-vms` is there
      2. make sure that the cache disk `foundry-vms/cache-5cdea376258c376b.iso` holds 2 artifacts (300 MiB)
      3. create volume `foundry-vms/web_boot.qcow2` (4 GiB)
      4. create volume `foundry-vms/web_cloudinit.iso` (64 KiB)
      5. write the cloud-init seed to `foundry-vms/web_cloudinit.iso`
      6. keep the VM's login key
      7. define the domain
      8. set the domain to start with the host
      9. start the domain
    create `web`:
      1. make sure that pool `foundry-vms` is there
      2. create volume `foundry-vms/web_boot.qcow2` (4 GiB)
      3. create volume `foundry-vms/web_cloudinit.iso` (64 KiB)
      4. write the cloud-init seed to `foundry-vms/web_cloudinit.iso`
      5. keep the VM's login key
      6. define the domain
      7. set the domain to start with the host
      8. start the domain
    "#);
    assert_eq!(domain(&first), domain(&next));
    let xml = domain(&next);
    let begin = xml.find("/cache-").and_then(|at| xml[..at].rfind("<disk"));
    let disk = &xml[begin.expect("the disk")..];
    insta::assert_snapshot!(disk[..disk.find("</disk>").expect("its end")], @r#"
    <disk type="file" device="disk">
          <driver name="qemu" type="raw" discard="unmap"/>
          <source file="/home/user/.local/share/trustnet-vm/vms/cache-5cdea376258c376b.iso"/>
          <backingStore/>
          <target dev="vdc" bus="virtio"/>
          <readonly/>
          <shareable/>
          <serial>tvm-cache</serial>
    "#);
}

#[test]
fn the_disk_stands_behind_all_others_whatever_their_names() {
    for (last, expected) in [
        ("", ["vda", "vdb", "vdc"].as_slice()),
        ("vdc", &["vda", "vdc", "vdd", "vde"]),
        ("vdx", &["vda", "vdx", "vdy", "vdz"]),
        ("vdy", &["vda", "vdy", "vdz", "vdaa"]),
        ("vdz", &["vda", "vdz", "vdaa", "vdab"]),
    ] {
        let disks = format!("  dataDisks: [{{ device: {last}, size: 1Gi }}]\n");
        let disks = if last.is_empty() { "" } else { &disks };
        let vm = vm(&format!("{ASKED}{disks}"));
        let plan = planned(&vm, &host(&vm, None), 1).expect("a plan");
        assert_eq!(targets(&plan), expected);
    }
}

#[test]
fn a_vm_without_services_is_planned_as_ever_and_no_identity_hangs_on_the_disk() {
    let (plain, asking) = (vm(""), vm("  cacheDisk: { size: 1Gi }\n"));
    assert_eq!(
        (plain.digest(), plain.uuid()),
        (asking.digest(), asking.uuid())
    );
    let without = planned(&plain, &host(&plain, None), 0).expect("a plan");
    assert_eq!(
        planned(&plain, &host(&plain, None), 1).expect("a plan"),
        without
    );
    assert!(!domain(&without).contains("cache"));
    // Many VMs with much to bring share a disk without being asked to.
    let shared = planned(&plain, &host(&plain, None), 2).expect("a plan");
    assert_eq!(targets(&shared), ["vda", "vdb", "vdc"]);
}

#[test]
fn the_record_names_the_disk_as_shared_and_destroy_lets_it_be() {
    let vm = vm(ASKED);
    let plan = planned(&vm, &host(&vm, None), 1).expect("a plan");
    let facts = DomainFacts::new(read_domain(domain(&plan)), DomainState::Shutoff);
    let record = facts.owner.record().expect("a record");
    let shared = record.cache_volume.as_ref().expect("a shared volume");
    assert_eq!(shared.pool, VM_POOL);
    assert_eq!(shared.name, cache_disk::volume_name(&set()));
    let options = DestroyOptions {
        deadline_s: 1,
        keep_data: false,
    };
    let steps = plan::destroy(&facts, options).expect("a plan").to_string();
    assert!(!steps.contains("cache"), "{steps}");
}

#[test]
fn what_stands_in_the_way_is_told_before_anything_is_made() {
    let small = vm("  cacheDisk: { size: 300Mi }\n");
    let asking = vm(ASKED);
    let mut full = host(&asking, None);
    let pool = trustnet_core::observed::PoolFacts {
        active: true,
        available: 350 << 20,
        ..Default::default()
    };
    full.pools.insert(VM_POOL.to_owned(), pool.clone());
    let foreign = Some(Standing::Foreign);
    let mut said = String::new();
    for refused in [
        planned(&small, &host(&small, None), 1),
        planned(&asking, &host(&asking, foreign), 1),
        planned(&asking, &full, 1),
    ] {
        for refusal in refused.expect_err("a refusal") {
            said.push_str(&format!("{}\n", refusal.message));
            said.push_str(&format!("  hint: {}\n", refusal.hint.expect("a hint")));
        }
    }
    insta::assert_snapshot!(said, @r#"
    the artifacts of its services come to 300 MiB (314572805 bytes), and `cacheDisk.size` is 300 MiB (314572800 bytes)
      hint: allow more, or leave `cacheDisk` out: the artifacts then come over SSH
    volume `cache-5cdea376258c376b.iso` is already in pool `foundry-vms`, and is no cache disk
      hint: if nothing needs it: `virsh vol-delete cache-5cdea376258c376b.iso --pool foundry-vms`
    pool `foundry-vms` has 350 MiB free, and the cache disk needs 364.1 MiB
      hint: make room (`trustnet-vm cache prune`), or leave `cacheDisk` out: the artifacts then come over SSH
    "#);
    // What nobody asked for stands in nobody's way.
    let plain = vm("");
    let mut full = host(&plain, None);
    full.pools.insert(VM_POOL.to_owned(), pool);
    for observed in [full, host(&plain, foreign)] {
        let plan = planned(&plain, &observed, 2).expect("a plan");
        assert_eq!(targets(&plan), ["vda", "vdb"]);
    }
}
