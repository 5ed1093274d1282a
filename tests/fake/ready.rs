//! Services whose readiness is a text on the VM's console.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::guests::{SYSTEMCTL, guest};
use crate::home::Home;

const TALKER: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: talker }
spec:
  version: "1"
  unit: { command: [/bin/sleep, "600"] }
  ready: { console: "the talker is up", timeout: 1s }
"#;

#[test]
fn a_service_that_nobody_heard_on_the_console_is_started_again_and_heard_then() {
    let home = Home::new();
    home.file("talker.yaml", TALKER);
    home.done(["service", "add", "talker.yaml", "--quiet"]);
    let web = guest(&home, "web", "{}");
    fs::create_dir_all(web.path("/run/systemd/system")).expect("a folder");
    let systemctl = web.path("/usr/local/bin/systemctl");
    let told = SYSTEMCTL.replace("#!/bin/sh\n", "#!/bin/sh\necho \"$*\" >>/var/log/verbs\n");
    fs::write(&systemctl, told).expect("a file");
    fs::set_permissions(systemctl, fs::Permissions::from_mode(0o755)).expect("a mode");
    let starts = || {
        let verbs = fs::read_to_string(web.path("/var/log/verbs")).expect("the verbs");
        verbs
            .lines()
            .filter(|verb| verb.starts_with("restart"))
            .count()
    };
    home.spec("web", "  services: [{ name: talker }]\n");
    let unheard = home.run(["provision", "-f", "web.yaml"]);
    assert_eq!(unheard.code, Some(7), "{unheard:?}");
    let why = "`the talker is up` has not come on the console";
    assert!(unheard.err.contains(why), "{}", unheard.err);
    assert_eq!(starts(), 1);
    // It runs by now, and says nothing more.
    home.edit(|state| {
        let guest = state.guests.entry("web".to_owned()).or_default();
        guest.console = vec!["[  OK  ] the talker is up.".to_owned()];
    });
    home.done(["provision", "-f", "web.yaml"]);
    assert_eq!(starts(), 2);
    let again = home.done(["provision", "-f", "web.yaml"]);
    assert!(again.out.ends_with("nothing to do\n"), "{again:?}");
    assert_eq!(starts(), 2);
    // The console is over; what runs is as ready as it was.
    home.edit(|state| state.guests.clear());
    home.done(["test", "web"]);
    home.done(["exec", "web", "--", "systemctl", "stop", "talker"]);
    assert_eq!(home.run(["test", "web"]).code, Some(7));
}
