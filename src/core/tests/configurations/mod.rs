//! What the kinds of a network give their services.

use trustnet_core::artifact::{Arch, Digest};
use trustnet_core::load;
use trustnet_core::provision::{Action, Input, Pinned, ServiceInput, build};
use trustnet_core::service::{At, Catalogue, select};

/// The configuration file of each VM of a file: the VM's name, the service's, and the text.
pub fn configurations(text: &str) -> Vec<(String, String, String)> {
    let (documents, problems) = load::load(text.as_bytes());
    assert_eq!(problems, []);
    let mut all = Vec::new();
    for document in documents {
        let vm = document.object;
        let services = select(&vm.spec.services, &Catalogue::builtin()).expect("known services");
        let [instance] = services.as_slice() else {
            panic!("one service");
        };
        let version = instance.exact_version().expect("an exact version");
        let mut scope = instance.scope(&vm.metadata.name, version, Arch::Amd64);
        for need in &instance.dependencies {
            let remote = need.remote.as_ref().expect("in another VM");
            let at = At {
                host: remote.host.clone().expect("an address"),
                port: remote.port.expect("a port"),
            };
            scope.dependencies.insert(need.service.clone(), at);
        }
        let name = instance.name().to_owned();
        let input = ServiceInput {
            instance,
            scope,
            secrets: [("joinToken".to_owned(), "0123456789abcdef".to_owned())].into(),
            artifacts: [(name.clone(), Pinned::Blob(Digest::of(b"program")))].into(),
        };
        let program = build(&Input {
            services: &[input],
            mounts: &[],
        })
        .expect("a program");
        let file = program.steps.iter().find_map(|step| match &step.action {
            Action::File { path, content, .. } if path.starts_with("/etc/trustnet/") => {
                Some(String::from_utf8(content.bytes().to_vec()).expect("text"))
            }
            _ => None,
        });
        all.push((vm.metadata.name, name, file.expect("a configuration")));
    }
    all
}
