#![expect(clippy::expect_used, reason = "a test fails where it expects")]

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

const UUID: &str = "11111111-2222-4333-8444-555555555555";

fn home() -> (TempDir, Paths) {
    let home = tempfile::tempdir().expect("a folder");
    let var = |name: &str| (name == "HOME").then(|| home.path().as_os_str().to_owned());
    let paths = Paths::from_env(var).expect("a home");
    (home, paths)
}

fn record(login_key: Option<&str>) -> Record {
    let text = r#"{"madeBy":"0","digest":"d","hostKey":"ssh-ed25519 AAAA","volumes":[],"spec":{
        "apiVersion":"trustnet.io/v1alpha1","kind":"VirtualMachine","metadata":{"name":"web"},
        "spec":{"vcpus":1,"memory":"1Gi","bootDisk":{"size":"4Gi","empty":true},"networkInterfaces":[]}}}"#;
    let mut record = Record::parse(text).expect("a record");
    record.login_key = login_key.map(str::to_owned);
    record
}

#[test]
fn the_vms_own_key_comes_before_the_users_one_key_which_only_an_old_vm_knows() {
    let (_home, paths) = home();
    let shared = paths.data.join(FILE);
    let found = |key| identity(&paths, UUID, &record(key)).map(|one| (one.file, one.known));
    assert_eq!(found(None), None);
    assert_eq!(found(Some("one")), None);
    keep(&paths, UUID, "one", "pem").expect("it is kept");
    let own = folder(&paths, UUID, "one").join(FILE);
    assert_eq!(found(Some("one")), Some((own.clone(), true)));
    assert_eq!(found(Some("two")), None);
    assert_eq!(found(None), None);
    fs::write(&shared, "pem").expect("a file");
    assert_eq!(found(Some("one")), Some((own, true)));
    assert_eq!(found(Some("two")), Some((shared.clone(), false)));
    assert_eq!(found(None), Some((shared, true)));
    let other = "11111111-2222-4333-8444-666666666666";
    let copy = identity(&paths, other, &record(Some("one"))).expect("the user's");
    assert!(!copy.known, "a copy of the domain has the key of the first");
}

#[test]
fn a_key_is_kept_whole_for_its_user_only_and_goes_with_what_a_killed_run_left() {
    let (_home, paths) = home();
    let folder = folder(&paths, UUID, "one");
    let mode = |path: &PathBuf| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    // Killed while it wrote, under another umask than ours.
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(STAGING), "hal").expect("a file");
    remove(&paths, UUID, "one").expect("it is removed");
    assert!(!folder.exists());
    private_dir(&folder).expect("a folder");
    fs::write(folder.join(STAGING), "hal").expect("a file");
    for pem in ["first", "first", "second"] {
        keep(&paths, UUID, "one", pem).expect("it is kept");
        let file = folder.join(FILE);
        assert_eq!(fs::read_to_string(&file).expect("it is kept"), pem);
        assert_eq!((mode(&file) & 0o777, mode(&folder) & 0o777), (0o600, 0o700));
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
    }
    keep(&paths, UUID, "two", "pem").expect("it is kept");
    for _ in 0..2 {
        remove(&paths, UUID, "one").expect("it is removed");
    }
    assert!(!folder.exists());
    assert!(identity(&paths, UUID, &record(Some("two"))).is_some());
}
