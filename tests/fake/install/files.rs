//! Answers in a file, a look at what would be done, and what is told to machines.

use std::fs;

use super::{INSTALLS, Stage};

const ANSWERS: &str = "\
apiVersion: trustnet.io/v1alpha1
kind: Install
spec:
  domain: example.org
  registryType: integrated
  nodeName: node-1
  address: 2001:db8:1::1/48
  bridge: br0
  gateway6: 2001:db8:1::ff
  dnsServers: [2001:db8:1::53]
  joinTokenFile: token
  dns: {provider: route53, awsProfile: network}
  vm: {memoryGiB: 4, bootDisk: {sizeGB: 20, image: debian-12.qcow2}}
";

#[test]
fn flags_say_more_than_a_file_and_what_is_written_is_a_file_again() {
    let stage = Stage::with(&["::1"]);
    stage.home.file("answers.yaml", ANSWERS);
    let first = stage.run(
        "--answers answers.yaml --node-name node-2 --network default --memory 1Gi --disk 8Gi --yes",
    );
    assert_eq!(first.code, Some(0), "{}", first.err);
    let written = stage.written("node-2.answers.yaml");
    let spec = stage.written("node-2.yaml");
    insta::assert_snapshot!(format!("{written}---\n{spec}"));
    let copy = stage.home.path(INSTALLS).join("node-2.answers.yaml");
    fs::copy(copy, stage.home.path("again.yaml")).expect("a copy");
    let before = stage.home.inventory();
    let again = stage.run("--answers again.yaml --yes -o json");
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(
        again.out.contains("\"result\": \"unchanged\""),
        "{}",
        again.out
    );
    assert_eq!(stage.home.inventory(), before);
    assert_eq!(stage.written("node-2.answers.yaml"), written);
    assert_eq!(stage.written("node-2.yaml"), spec);
}

#[test]
fn no_file_is_lost_to_one_that_is_written() {
    let stage = Stage::with(&[]);
    fs::create_dir(stage.home.path("mine")).expect("a folder");
    stage.home.file("mine/root.yaml", "mine\n");
    let root = "--domain example.org --registry-type root --yes";
    let refused = stage.run(&format!("{root} --out mine"));
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("mine/root.yaml"), "{}", refused.err);
    let folder = fs::read_dir(stage.home.path("mine")).expect("a folder");
    assert_eq!(folder.count(), 1, "nothing was written beside it");
    assert_eq!(stage.run(root).code, Some(0));
    let before = stage.written("root.yaml");
    let other = stage.run(&format!("{root} --memory 3Gi"));
    assert_ne!(other.code, Some(0), "the VM is another");
    assert_eq!(stage.written("root.yaml.old"), before);
    assert!(stage.written("root.yaml").contains("3Gi"));
}

#[test]
fn what_is_wrong_with_a_file_of_answers_is_told_at_its_place() {
    let stage = Stage::with(&[]);
    stage.home.file(
        "bad.yaml",
        "apiVersion: trustnet.io/v1alpha1\nkind: Install\nspec:\n  domain: nodots\n  registryTyp: root\n  nodeName: 'a b'\n  address: 10.0.0.1\n  deployment: cloud\n",
    );
    stage
        .home
        .file("two.yaml", &format!("{ANSWERS}---\n{ANSWERS}"));
    stage
        .home
        .file("other.yaml", &ANSWERS.replace("Install", "Node"));
    stage.home.file(
        "secret.yaml",
        &ANSWERS.replace("vm: {", "vm: {cloudInit: {passwordHash: $6$salt$hash}, "),
    );
    let mut said = String::new();
    for file in [
        "bad.yaml",
        "two.yaml",
        "other.yaml",
        "secret.yaml",
        "nowhere.yaml",
    ] {
        said.push_str(&stage.says(&format!("--answers {file} --yes")));
    }
    assert!(!said.contains("$6$salt"), "{said}");
    assert!(!stage.home.path(INSTALLS).exists());
    insta::assert_snapshot!(said);
}

#[test]
fn a_dry_run_shows_everything_and_does_nothing() {
    let stage = Stage::with(&["::1"]);
    stage.home.file("answers.yaml", ANSWERS);
    let before = stage.home.inventory();
    let mut said = String::new();
    for words in [
        "--answers answers.yaml --dry-run",
        "--answers answers.yaml --dry-run -o json",
        "--domain example.net --registry-type root --dry-run",
    ] {
        said.push_str(&stage.says(words));
    }
    assert_eq!(stage.home.inventory(), before);
    assert!(!stage.home.path(INSTALLS).exists());
    insta::assert_snapshot!(said);
}
