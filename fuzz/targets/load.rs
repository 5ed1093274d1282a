//! Any bytes as a spec file: all that comes of it is VMs or problems, each problem with a place inside
//! the file; a VM that comes of it renders, and never into XML that libvirt could not read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trustnet_core::load::load;
use trustnet_core::plan::{self, PublicKeys};
use trustnet_core::vm::Vm;
use trustnet_core::xml::{DomainType, read_domain};

fuzz_target!(|data: &[u8]| {
    let (documents, problems) = load(data);
    for place in problems.iter().filter_map(|problem| problem.place) {
        assert!(place.offset <= data.len() && place.line >= 1 && place.column >= 1);
    }
    for document in documents {
        let Ok((vm, _)) = Vm::resolve(&document.object) else { continue };
        let host = plan::ideal_host(&vm, true, DomainType::Qemu);
        let keys = PublicKeys { host: "ssh-ed25519 AAAA", login: "ssh-ed25519 BBBB" };
        let (domain, _) = plan::render(&vm, &host, keys, "0");
        assert_eq!(read_domain(&domain).name, vm.name().as_str());
    }
});
