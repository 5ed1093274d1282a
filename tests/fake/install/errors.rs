//! What is missing or in the way: told at once with its flag, or gone on with a warning, as each deserves.

use std::net::TcpListener;

use trustnet_host::fake::Effect;

use super::Stage;

#[test]
fn everything_that_is_missing_is_told_at_once_with_its_flag() {
    let stage = Stage::with(&[]);
    let mut said = String::new();
    for words in [
        "--yes",
        "--domain example.org --yes",
        "--domain example.org --registry-type integrated --node-name n --yes",
        "--domain nodots --registry-type root --node-name two.words --address 10.0.0.1 --registry-port 0 --yes",
        "--domain example.org --registry-type integrated --registry-vm-ip fd10::1 --gateway6 x --guest-dns y --join-token-file token --yes",
        "--domain example.org --registry-type root --root-registry-ip fd10::1 --yes",
        "--domain example.org --registry-type root",
        "--domain example.org --registry-type leaf --yes",
    ] {
        said.push_str(&stage.says(words));
    }
    assert!(stage.home.state().domains.is_empty());
    insta::assert_snapshot!(said);
}

#[test]
fn a_second_root_needs_the_domain_as_a_word_of_its_own() {
    let stage = Stage::with(&["2001:db8:1::253"]);
    let words = "--domain example.org --registry-type root --address 2001:db8:1::99 --yes";
    let mut said = stage.says(words);
    said.push_str(&stage.says(&format!("{words} --new-root example.com")));
    assert!(stage.home.state().domains.is_empty());
    let new = stage.run(&format!("{words} --new-root example.org"));
    assert_eq!(new.code, Some(0), "{}", new.err);
    // One with its address may be somebody else's, until it is this machine's.
    let stage = Stage::with(&["2001:db8:1::99"]);
    assert_eq!(stage.run(words).code, Some(1));
    let word = stage.run(&format!("{words} --new-root example.org"));
    assert_eq!(word.code, Some(0), "{}", word.err);
    let same = stage.run(words);
    assert_eq!(same.code, Some(0), "{}", same.err);
    insta::assert_snapshot!(said);
}

#[test]
fn a_record_that_is_missing_is_explained_and_waited_for_and_gone_on_without() {
    let stage = Stage::with(&[]);
    let mut said = stage.says("--domain example.org --registry-type root --yes -o name");
    said.push_str(&stage.says(
        "--domain example.org --registry-type integrated --join-token-file token --yes -o name",
    ));
    insta::assert_snapshot!(said);
}

#[test]
fn a_root_that_does_not_answer_keeps_nobody_from_starting() {
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let stage = Stage::with(&[]);
    let mut said = String::new();
    for role in ["independent", "integrated"] {
        said.push_str(&stage.says(&format!(
            "--domain example.org --registry-type {role} --root-registry-ip [::1]:{port} --bridge br0 --join-token-file token --yes -o name"
        )));
    }
    assert_eq!(stage.home.state().domains.len(), 2, "{said}");
    insta::assert_snapshot!(said.replace(&port.to_string(), "PORT"));
}

#[test]
fn an_install_that_was_killed_goes_on_where_it_was() {
    let words = "--domain example.org --registry-type root --yes -o name";
    let whole = Stage::with(&[]);
    assert_eq!(whole.run(words).code, Some(0));
    for by_resume in [false, true] {
        let stage = Stage::with(&[]);
        stage.home.tell("domains.define", 1, Effect::KillBefore);
        let killed = stage.run(words);
        assert_ne!(killed.code, Some(0), "{killed:?}");
        assert!(stage.home.came(), "{killed:?}");
        // By now somebody has added the record: it names what is half made here, and no other root.
        stage.names.set(&["fd10:1234::253"]);
        if by_resume {
            stage.home.done(["resume", "root"]);
        }
        let again = stage.run(words);
        assert_eq!(again.code, Some(0), "{}", again.err);
        // A folder's note on this machine is named by the home.
        let made = |stage: &Stage| {
            let mut all = stage.home.inventory();
            all.retain(|one| !one.contains("/folders/"));
            all
        };
        assert_eq!(made(&stage), made(&whole));
    }
}

#[test]
fn without_ipv6_it_ends_with_what_mends_that_and_what_cannot_be_switched_on_is_told() {
    let stage = Stage::with(&["::1"]);
    let words = "--domain example.org --node-name node-1 --address 2001:db8:1::1 --bridge br0 --join-token-file token --yes -o name";
    let mut said = String::new();
    for auto in ["=false", ""] {
        said.push_str(&stage.says(&format!("{words} --ipv6-auto-enable{auto}")));
    }
    assert!(stage.home.state().domains.is_empty());
    insta::assert_snapshot!(said);
}
