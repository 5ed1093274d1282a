//! What VMs need of their pools, against what qemu-img and libvirt take there.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

use trustnet_core::observed::PoolFacts;
use trustnet_core::plan::{self, Demand};
use trustnet_core::vm::Vm;
use trustnet_core::xml::{PoolXml, VolumeXml};

fn vm(more: &str) -> Vm {
    let text = format!(
        "apiVersion: trustnet.io/v1alpha1\nkind: VirtualMachine\nmetadata: {{ name: web }}\n\
         spec:\n  vcpus: 1\n  memory: 768Mi\n  bootDisk: {{ size: 4Gi, image: debian-12 }}\n  \
         networkInterfaces: [{{ user: {{}} }}]\n{more}"
    );
    let (mut documents, problems) = trustnet_core::load::load(text.as_bytes());
    assert_eq!(problems, []);
    Vm::resolve(&documents.remove(0).object).expect("valid").0
}

fn pool(kind: &str, available: u64) -> PoolFacts {
    PoolFacts {
        xml: PoolXml {
            kind: kind.to_owned(),
            ..PoolXml::default()
        },
        active: true,
        available,
        ..PoolFacts::default()
    }
}

const SEED: u64 = 70 << 10;
const DATA: &str = "  dataDisks:\n    - { device: vdb, size: 2Ti, reclaimPolicy: Retain }\n    - { device: vdc, size: 1Gi }\n";

#[test]
fn a_thin_pool_needs_the_tables_of_each_disk_and_a_thick_one_all_of_it() {
    let least = |kind, vm: &Vm| plan::demand(vm, Some(&pool(kind, 0)), SEED).least;
    // 4 clusters of 64 KiB, as `qemu-img create` makes them.
    assert_eq!(least("dir", &vm("")), (256 << 10) + SEED);
    assert_eq!(least("netfs", &vm(DATA)), 3 * (256 << 10) + SEED);
    assert_eq!(least("logical", &vm("")), (4 << 30) + SEED);
    assert_eq!(least("zfs", &vm(DATA)), (5 << 30) + (2 << 40) + SEED);
    let none = plan::demand(&vm(DATA), None, SEED);
    assert_eq!(none, plan::demand(&vm(DATA), Some(&pool("fs", 0)), SEED));
    assert_eq!(none.most, (5 << 30) + (2 << 40) + SEED);
}

#[test]
fn a_disk_that_is_there_and_is_taken_up_needs_nothing() {
    let mut there = pool("logical", 0);
    let asking = vm(DATA);
    // In a pool of block devices it has no format in its name.
    let kept = "web_data-vdb".to_owned();
    there.volumes.insert(kept, VolumeXml::default());
    let demand = plan::demand(&asking, Some(&there), SEED);
    assert_eq!(demand.least, (5 << 30) + SEED);
    assert_eq!(demand.most, demand.least);
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers_and_what_may_not_is_warned_of() {
    let need = |least, most| Demand { least, most };
    let said = |kind, available, vms: &[&str], demand| match plan::fits(
        "p",
        &pool(kind, available),
        vms,
        demand,
    ) {
        Ok(None) => "fits\n".to_owned(),
        Ok(Some(warning)) => format!("warning: {warning}\n"),
        Err(refusal) => format!("refused: {}\n", refusal.message),
    };
    let gib = 1 << 30;
    let mut all = String::new();
    all += &said("dir", 2 * gib, &["a"], need(1 << 20, 2 * gib));
    all += &said("dir", 2 * gib, &["a"], need(1 << 20, 2 * gib + 1));
    all += &said("dir", (64 << 20) + 9, &["a"], need(9, 10));
    all += &said("dir", (64 << 20) + 9, &["a", "b"], need(10, 10));
    all += &said("logical", 2 * gib, &["a"], need(2 * gib, 2 * gib));
    all += &said("logical", 2 * gib, &["a"], need(2 * gib + 1, 2 * gib + 1));
    all += &said("logical", gib, &["a", "b", "c"], need(6 * gib, 6 * gib));
    all += &said("rbd", gib, &["a"], need(0, 4 * gib));
    insta::assert_snapshot!(all);
    let mut stopped = pool("dir", 0);
    stopped.active = false;
    assert_eq!(plan::fits("p", &stopped, &["a"], need(9, 9)), Ok(None));
    let most = plan::demand(&vm(DATA), None, u64::MAX);
    assert_eq!([most, most].into_iter().sum::<Demand>().most, u64::MAX);
}
