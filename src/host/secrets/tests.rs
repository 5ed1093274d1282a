//! Secrets that are made once, and secrets that are encrypted.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use age::secrecy::ExposeSecret;
use age::x25519;
use tempfile::TempDir;
use trustnet_api::secret::{Age, Alphabet, Generate, ValueFrom};
use trustnet_core::vm::VmName;

use super::generated::{characters, choose};
use super::{Keep, Sources};
use crate::error::HostError;
use crate::paths::Paths;

struct Home {
    folder: TempDir,
    paths: Paths,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().as_os_str().to_owned();
        let paths = Paths::from_env(|name| (name == "HOME").then(|| home.clone())).expect("paths");
        Self { folder, paths }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("it is written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        path
    }

    fn ask(&self, vm: &str, from: &ValueFrom, keep: Keep) -> Result<String, HostError> {
        let home = self.folder.path().as_os_str();
        let var = |name: &str| -> Option<OsString> { (name == "HOME").then(|| home.to_owned()) };
        let sources = Sources {
            folder: &self.at("specs"),
            paths: &self.paths,
            var: &var,
            keep,
        };
        sources.read(&VmName::parse(vm).expect("a name"), from)
    }

    fn read(&self, vm: &str, from: &ValueFrom) -> String {
        self.ask(vm, from, Keep::Yes).expect("a secret")
    }

    /// Why it is not read, and what to do, without the folder that differs each time.
    fn refused(&self, from: &ValueFrom) -> String {
        match self.ask("web", from, Keep::Yes) {
            Ok(_) => panic!("{from:?} was read"),
            Err(HostError::Secret { from, why, hint }) => {
                let hint = hint.map_or(String::new(), |hint| format!(" [{hint}]"));
                let home = self.folder.path().display().to_string();
                format!("{from}: {why}{hint}").replace(&home, "~")
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn generate(name: &str) -> Generate {
    Generate {
        name: name.to_owned(),
        length: None,
        alphabet: None,
        shared: None,
    }
}

fn encrypted(file: &str, identity: Option<&str>) -> ValueFrom {
    ValueFrom::Age(Age {
        file: file.to_owned(),
        identity: identity.map(str::to_owned),
    })
}

fn mode(path: &Path) -> u32 {
    let facts = fs::metadata(path).expect("it is there");
    facts.permissions().mode() & 0o777
}

#[test]
fn a_generated_secret_is_made_once_and_is_the_users_alone() {
    let home = Home::new();
    let from = ValueFrom::Generate(generate("db"));
    let first = home.read("web", &from);
    assert_eq!(first.len(), 32);
    assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(home.read("web", &from), first);
    let file = home.paths.data.join("secrets/vms/web/db");
    assert_eq!(fs::read_to_string(&file).expect("it is kept"), first);
    assert_eq!(mode(&file), 0o600);
    for folder in file.ancestors().skip(1).take(3) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    let beside = fs::read_dir(file.parent().expect("a folder")).expect("a folder");
    assert_eq!(beside.count(), 1, "nothing else is left");

    fs::remove_file(&file).expect("it is there");
    assert_ne!(home.read("web", &from), first);
}

#[test]
fn vms_share_a_generated_secret_only_where_they_say_so() {
    let home = Home::new();
    let own = ValueFrom::Generate(generate("db"));
    let shared = ValueFrom::Generate(Generate {
        shared: Some(true),
        ..generate("db")
    });
    let all = ["web", "shared", "vms"].map(|vm| (home.read(vm, &own), home.read(vm, &shared)));
    let owned: BTreeSet<&String> = all.iter().map(|(own, _)| own).collect();
    let common: BTreeSet<&String> = all.iter().map(|(_, shared)| shared).collect();
    assert_eq!((owned.len(), common.len()), (3, 1));
    assert!(owned.is_disjoint(&common));
}

#[test]
fn a_name_never_leads_elsewhere() {
    let home = Home::new();
    for name in [
        "../db",
        "..",
        ".",
        "",
        "a/b",
        "/etc/passwd",
        ".db",
        "a\0b",
        &"a".repeat(64),
    ] {
        let said = home.refused(&ValueFrom::Generate(generate(name)));
        assert!(said.ends_with("no file can have that name"), "{said}");
    }
    assert!(!home.paths.data.exists());
}

#[test]
fn a_look_keeps_nothing_and_sees_what_is_kept() {
    let home = Home::new();
    let from = ValueFrom::Generate(generate("db"));
    let look = || home.ask("web", &from, Keep::No).expect("a secret");
    assert_ne!(look(), look());
    assert!(!home.paths.data.exists());
    let kept = home.read("web", &from);
    assert_eq!(look(), kept);
}

#[test]
fn of_many_who_ask_at_once_one_makes_the_secret_for_all() {
    let home = Home::new();
    for round in 0..20 {
        let from = ValueFrom::Generate(generate(&format!("db{round}")));
        let start = Barrier::new(8);
        let ask = || {
            start.wait();
            home.read("web", &from)
        };
        let seen: BTreeSet<String> = thread::scope(|scope| {
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            let joined = asked.into_iter().map(|one| one.join().expect("a secret"));
            joined.collect()
        });
        assert_eq!(seen.len(), 1, "{seen:?}");
    }
    let folder = home.paths.data.join("secrets/vms/web");
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 20);
}

#[test]
fn a_generated_secret_has_the_length_and_the_characters_that_are_asked_for() {
    let home = Home::new();
    let allowed: [(Alphabet, &[u8]); 4] = [
        (Alphabet::Digits, b"0123456789"),
        (Alphabet::Hex, b"0123456789abcdef"),
        (
            Alphabet::Alphanumeric,
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        ),
        (
            Alphabet::Base64url,
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_",
        ),
    ];
    for (alphabet, characters) in allowed {
        for length in [8, 64, 65, 1024] {
            let one = Generate {
                length: Some(length),
                alphabet: Some(alphabet),
                ..generate(&format!("{alphabet:?}.{length}"))
            };
            let secret = home.read("web", &ValueFrom::Generate(one));
            assert_eq!(secret.len(), length as usize);
            let used: BTreeSet<u8> = secret.bytes().collect();
            assert!(
                used.iter().all(|byte| characters.contains(byte)),
                "{secret}"
            );
            // Two of 64 that never come among 1024: once in 10¹⁰ runs.
            assert!(
                length < 1024 || used.len() >= characters.len() - 1,
                "{secret}"
            );
        }
    }
}

#[test]
fn every_character_of_an_alphabet_is_as_likely_as_any_other() {
    for alphabet in [
        Alphabet::Digits,
        Alphabet::Hex,
        Alphabet::Alphanumeric,
        Alphabet::Base64url,
    ] {
        let characters = characters(alphabet);
        let mut counts: BTreeMap<char, usize> = BTreeMap::new();
        for byte in 0..=u8::MAX {
            if let Some(chosen) = choose(characters, byte) {
                *counts.entry(chosen).or_default() += 1;
            }
        }
        assert_eq!(counts.len(), characters.len());
        let different: BTreeSet<usize> = counts.into_values().collect();
        assert_eq!(different.len(), 1, "{alphabet:?}: {different:?}");
    }
}

#[test]
fn a_kept_secret_that_is_not_as_it_was_left_is_refused() {
    let home = Home::new();
    let from = ValueFrom::Generate(generate("db"));
    let secret = home.read("web", &from);
    let file = home.paths.data.join("secrets/vms/web/db");
    let longer = ValueFrom::Generate(Generate {
        length: Some(33),
        ..generate("db")
    });
    let mut said = vec![home.refused(&longer)];
    fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("a mode");
    said.push(home.refused(&from));
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a mode");
    fs::write(&file, &secret[..31]).expect("it is written");
    said.push(home.refused(&from));
    fs::remove_file(&file).expect("it is there");
    fs::create_dir(&file).expect("a folder");
    said.push(home.refused(&from));
    fs::remove_dir(&file).expect("it is there");
    symlink(home.write("elsewhere", &secret), &file).expect("a link");
    said.push(home.refused(&from));
    let place = "~/.local/share/trustnet-vm/secrets/vms/web/db";
    let other = format!(
        "generated secret `db`: `{place}` holds one of another length or alphabet than the spec says \
         [write in the spec what it was made with; or remove the file, and another is made]"
    );
    assert_eq!(
        said,
        [
            other.clone(),
            format!(
                "generated secret `db`: others can get at `{place}` (mode 0640) [if nobody has read it: \
                 `chmod 600 {place}`; else remove it, and another is made]"
            ),
            other,
            format!("generated secret `db`: `{place}` is no file"),
            format!(
                "generated secret `db`: failed to open `{place}`: Too many levels of symbolic links (os error 40)"
            ),
        ]
    );
}

fn key_file(identity: &x25519::Identity) -> String {
    format!("# a comment\n{}\n", identity.to_string().expose_secret())
}

#[test]
fn an_encrypted_file_is_read_with_the_default_identity_or_the_one_that_is_named() {
    let home = Home::new();
    let identity = x25519::Identity::generate();
    let encrypt = |text: &str| age::encrypt(&identity.to_public(), text.as_bytes());
    home.write(
        "specs/plain.age",
        encrypt("SECRET-75\n\n").expect("encrypted"),
    );
    let armoured = age::encrypt_and_armor(&identity.to_public(), b"SECRET-76");
    home.write("specs/armoured.age", armoured.expect("encrypted"));
    let missing = home.refused(&encrypted("plain.age", None));
    assert_eq!(
        missing,
        "encrypted file `plain.age`: failed to open the identity `~/.config/trustnet-vm/age.txt`: No such file or \
         directory (os error 2) [make one with `age-keygen`, or name it in `identity`]"
    );
    // Behind another identity, for a file may hold several.
    let several = key_file(&x25519::Identity::generate()) + &key_file(&identity);
    for place in [
        ".config/trustnet-vm/age.txt",
        "specs/key.txt",
        "keys/age.txt",
    ] {
        home.write(place, &several);
    }
    for named in [None, Some("key.txt"), Some("~/keys/age.txt")] {
        assert_eq!(
            home.read("web", &encrypted("plain.age", named)),
            "SECRET-75\n"
        );
        assert_eq!(
            home.read("web", &encrypted("armoured.age", named)),
            "SECRET-76"
        );
    }
}

#[test]
fn an_encrypted_file_that_cannot_be_read_says_why_and_shows_nothing() {
    let home = Home::new();
    let identity = x25519::Identity::generate();
    let key = key_file(&identity);
    home.write(".config/trustnet-vm/age.txt", &key);
    let encrypt = |bytes: &[u8]| age::encrypt(&identity.to_public(), bytes).expect("encrypted");
    let good = encrypt(b"SECRET-77");
    let mut passphrase = age::scrypt::Recipient::new("word".to_owned().into());
    passphrase.set_work_factor(2);
    let passphrase = age::encrypt(&passphrase, b"SECRET-77").expect("encrypted");
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    // The last character of `X25519`.
    let kind = b"age-encryption.org/v1\n-> X25519".len() - 1;
    let others = age::encrypt(&x25519::Identity::generate().to_public(), b"SECRET-77");
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("others", others.expect("encrypted")),
        ("a passphrase", passphrase.clone()),
        ("plain", b"SECRET-77".to_vec()),
        ("empty", Vec::new()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("cut in the header", good[..40].to_vec()),
        ("changed at the end", changed(good.len() - 1)),
        ("changed in the header", changed(kind)),
        ("long", encrypt(&vec![b'a'; 64 * 1024 + 1])),
        ("very long", vec![b'a'; 513 * 1024]),
        ("not text", encrypt(&[0xff, 0xfe])),
    ];
    let mut said = String::new();
    for (name, bytes) in files {
        home.write(&format!("specs/{name}"), bytes);
        said.push_str(&home.refused(&encrypted(name, None)));
        said.push('\n');
    }
    home.write("specs/good", &good);
    let public = identity.to_public().to_string();
    let keys: Vec<(&str, Vec<u8>)> = vec![
        ("none.key", b"# nothing\n".to_vec()),
        ("public.key", public.into_bytes()),
        ("damaged.key", key.replace("KEY-1", "KEY-1Q").into_bytes()),
        (
            "ssh.key",
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET-77\n".to_vec(),
        ),
        ("plugin.key", b"AGE-PLUGIN-SECRET-77\n".to_vec()),
        ("encrypted.key", passphrase),
        ("open.key", key.clone().into_bytes()),
    ];
    for (name, bytes) in keys {
        let path = home.write(&format!("specs/{name}"), bytes);
        if name == "open.key" {
            fs::set_permissions(path, Permissions::from_mode(0o644)).expect("a mode");
        }
        said.push_str(&home.refused(&encrypted("good", Some(name))));
        said.push('\n');
    }
    assert!(
        !said.contains("SECRET-77") && !said.contains("AGE-SECRET-KEY-1Q"),
        "{said}"
    );
    assert_eq!(said, include_str!("tests/refused.txt"));
}
