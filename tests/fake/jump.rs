//! A guest that only the hypervisor's machine can reach: the way leads through that machine's sshd.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::guests::guest;
use crate::home::{Home, Run};
use crate::sshd::Sshd;

const TOOL: &str = "apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: tool }
spec:
  version: '1.0'
  artifacts:
    - { name: tool, file: tool, install: { path: /usr/local/bin/tool } }
  files:
    - { path: /etc/tool.conf, content: 'of {{ vm }}' }
";

/// Has a hypervisor behind the sshd of another machine, and ssh(1) that knows it: it reads its configuration from
/// where the account's home is, and no variable says otherwise.
fn behind(home: &Home, machine: &Sshd) -> String {
    let known = format!("[127.0.0.1]:{} {}\n", machine.port, machine.host_key_public);
    let known = home.file("known", &known);
    let key = machine.login_key().display().to_string();
    let config = format!(
        "Host *\n IdentityFile {key}\n IdentitiesOnly yes\n IdentityAgent none\n \
         UserKnownHostsFile {known}\n StrictHostKeyChecking yes\n BatchMode yes\n"
    );
    let config = home.file("config", &config);
    fs::create_dir(home.path("bin")).expect("a folder");
    let asked = home.path("asked").display().to_string();
    let script =
        format!("#!/bin/sh\necho \"$*\" >>{asked}\nexec /usr/bin/ssh -F {config} \"$@\"\n");
    let ssh = home.file("bin/ssh", &script);
    fs::set_permissions(ssh, fs::Permissions::from_mode(0o755)).expect("a mode");
    format!(
        "fake+ssh://root@127.0.0.1:{}{}",
        machine.port,
        home.path("host.json").display()
    )
}

#[test]
fn services_are_brought_through_the_machine_of_a_hypervisor_that_is_elsewhere() {
    let home = Home::new();
    home.file("tool.yaml", TOOL);
    home.done(["service", "add", "tool.yaml", "--quiet"]);
    home.file(
        ".config/trustnet-vm/services/tool",
        "#!/bin/sh\necho tool\n",
    );
    let web = guest(&home, "web", "{}");
    home.spec("web", "  services: [{ name: tool }]\n");
    let mut machine = Sshd::start();
    let uri = behind(&home, &machine);
    let path = std::env::var("PATH").expect("a path");
    let path = format!("{}:{path}", home.path("bin").display());
    let provision = || {
        let mut program = home.program();
        program.env("TRUSTNET_VM_CONNECT", &uri).env("PATH", &path);
        program.args(["provision", "-f", "web.yaml"]);
        Run::of(&program.output().expect("the program starts"))
    };
    let run = provision();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.out, "VM 'web': services are ready (2 steps)\n");
    let file = fs::read_to_string(web.path("/etc/tool.conf"));
    assert_eq!(file.expect("it was brought"), "of web");
    let asked = fs::read_to_string(home.path("asked")).expect("it was called");
    let way = format!(
        "-W 127.0.0.1:{} -- ssh://root@127.0.0.1:{}\n",
        web.port, machine.port
    );
    assert_eq!(asked, way.repeat(asked.lines().count()));
    assert!(
        machine.log().contains("Accepted publickey"),
        "{}",
        machine.log()
    );
    // The guest's own key is compared behind it as anywhere.
    let other = trustnet_host::keys::KeyPair::generate("other").expect("a key");
    let change = |from: &str, to: &str| {
        home.edit(|state| {
            for domain in state.domains.values_mut() {
                domain.xml = domain.xml.replace(from, to);
            }
        });
    };
    change(&web.host_key_public, other.public());
    let refused = provision();
    assert_eq!(refused.code, Some(7), "{refused:?}");
    assert!(
        refused.err.contains("is not the guest's: expected SHA256:"),
        "{refused:?}"
    );
    change(other.public(), &web.host_key_public);
    // Where that machine is away, so is the guest.
    machine.stop();
    let refused = provision();
    assert_eq!(refused.code, Some(7), "{refused:?}");
    assert!(
        refused.err.contains(&format!("127.0.0.1:{}", web.port)),
        "{refused:?}"
    );
    assert!(refused.err.contains("hint: "), "{refused:?}");
}
