use std::collections::BTreeSet;

use super::{BUILT_IN, Catalogue, FindError, KEYS, own_keys};
use crate::artifact::{Arch, Signature, Trust};
use crate::load;
use crate::problem::Problem;
use crate::service::Origin;
use crate::version::Version;

/// Adds what a user wrote; what is wrong with it instead.
fn add(catalogue: &mut Catalogue, text: &str) -> Result<(), Vec<Problem>> {
    let (documents, problems) = load::load_image_catalogues(text.as_bytes());
    if !problems.is_empty() {
        return Err(problems);
    }
    let origin = Origin::File("own.yaml".to_owned());
    for document in documents {
        if let Err(problems) = catalogue.add(document.object.clone(), &origin) {
            let placed = problems.into_iter().map(|problem| document.place(problem));
            return Err(placed.collect());
        }
    }
    Ok(())
}

fn written(items: &str) -> String {
    format!("apiVersion: trustnet.io/v1alpha1\nkind: ImageCatalogue\nitems:\n{items}")
}

fn item(name: &str, version: &str, arch: &str) -> String {
    let digest = "ab".repeat(32);
    format!(
        "  - {{ name: {name}, version: \"{version}\", arch: {arch}, url: \"https://example.org/{name}\", digest: \"sha256:{digest}\" }}\n"
    )
}

fn no_keys(name: &str) -> Result<Vec<u8>, String> {
    Err(name.to_owned())
}

#[test]
fn every_image_of_the_catalogue_has_an_https_url_and_something_that_vouches_for_it() {
    let (documents, problems) = load::load_image_catalogues(BUILT_IN.as_bytes());
    assert_eq!(problems, []);
    assert_eq!(super::check(&documents[0].object), []);
    let count = documents[0].object.items.len();
    let catalogue = Catalogue::builtin();
    assert_eq!(catalogue.iter().count(), count, "none stands for another");
    let mut used = BTreeSet::new();
    for image in catalogue.iter() {
        let (id, wire) = (image.id(), image.wire());
        for url in std::iter::once(&wire.url).chain(&wire.mirrors) {
            assert!(url.starts_with("https://"), "{id}: {url}");
            assert!(!url.contains(['?', '#', ' ', '@']), "{id}: {url}");
        }
        assert!(wire.default_user.is_some(), "{id}");
        let trust = image.trust(no_keys).expect("its keys are built in");
        match trust.expect("something vouches for it") {
            Trust::Pinned(_) => assert!(wire.checksums.is_none(), "{id}"),
            Trust::Published { url, signature, .. } => {
                assert!(url.starts_with("https://"), "{id}: {url}");
                if let Some(Signature::OpenPgp { url, keys }) = signature {
                    assert!(!keys.is_empty(), "{id}");
                    assert!(url.is_some_and(|url| url.starts_with("https://")), "{id}");
                    used.extend(
                        wire.checksums
                            .as_ref()
                            .and_then(|list| list.keyring.clone()),
                    );
                }
            }
        }
    }
    let known: BTreeSet<String> = KEYS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(used, known, "every key is used");
}

#[test]
fn the_catalogue_has_each_distribution_for_both_architectures_and_the_newest_first() {
    let (documents, _) = load::load_image_catalogues(BUILT_IN.as_bytes());
    let items = &documents[0].object.items;
    for pair in items.windows(2) {
        if pair[0].name == pair[1].name {
            let version = |index: usize| Version::parse(&pair[index].version).expect("a version");
            assert!(
                version(0) >= version(1),
                "{} {}",
                pair[0].name,
                pair[1].version
            );
        }
    }
    let catalogue = Catalogue::builtin();
    let mut ids: Vec<String> = items
        .iter()
        .map(|item| format!("{}-{}", item.name, item.version))
        .collect();
    ids.dedup();
    for arch in Arch::ALL {
        for id in &ids {
            assert_eq!(
                catalogue.find(id, arch).map(super::Image::id).as_ref(),
                Ok(id)
            );
        }
    }
    let names: BTreeSet<&str> = items.iter().map(|item| item.name.as_str()).collect();
    let wanted = [
        "alpine",
        "debian",
        "fedora",
        "opensuse-leap",
        "rocky",
        "ubuntu",
    ];
    assert_eq!(names, BTreeSet::from(wanted));
}

#[test]
fn a_name_without_a_version_is_the_newest() {
    let mut catalogue = Catalogue::default();
    let items = ["9", "10", "9.5"].map(|version| item("rocky", version, "amd64"));
    add(&mut catalogue, &written(&items.concat())).expect("it keeps the rules");
    let newest = catalogue.find("rocky", Arch::Amd64).expect("it is there");
    assert_eq!(newest.id(), "rocky-10");
    let order: Vec<&str> = catalogue.iter().map(super::Image::version).collect();
    assert_eq!(order, ["10", "9.5", "9"]);
}

#[test]
fn a_catalogue_of_the_users_adds_to_ours_and_overrides_it() {
    let mut catalogue = Catalogue::builtin();
    let before = catalogue.iter().count();
    let items = item("debian", "12", "amd64") + &item("mine", "1", "arm64");
    add(&mut catalogue, &written(&items)).expect("it keeps the rules");
    assert_eq!(catalogue.iter().count(), before + 1);
    let ours = catalogue
        .find("debian-12", Arch::Arm64)
        .expect("it is there");
    assert_eq!(ours.origin(), &Origin::BuiltIn);
    let theirs = catalogue
        .find("debian-12", Arch::Amd64)
        .expect("it is there");
    assert_eq!(theirs.wire().url, "https://example.org/debian");
    assert!(matches!(theirs.origin(), Origin::File(_)));
    let problems = add(&mut catalogue, &written(&item("mine", "1", "arm64"))).expect_err("twice");
    assert_eq!(
        problems[0].message,
        "`mine-1` for arm64 is in `own.yaml` too"
    );
    let error = catalogue
        .find("mine", Arch::Amd64)
        .expect_err("only for arm64");
    assert_eq!(
        error.to_string(),
        "the catalogue has no image `mine` for amd64"
    );
    assert_eq!(error.hint(), "it has one for arm64");
}

#[test]
fn the_keys_of_a_users_catalogue_are_the_users_and_not_ours_of_the_same_name() {
    let mut catalogue = Catalogue::default();
    let list = "{ url: \"https://example.org/SUMS\", signature: \"https://example.org/SUMS.gpg\", keyring: ubuntu-images.gpg }";
    let items = format!(
        "  - {{ name: x, version: \"1\", arch: amd64, url: \"https://example.org/x\", checksums: {list} }}\n"
    );
    add(&mut catalogue, &written(&items)).expect("it keeps the rules");
    let image = catalogue.find("x", Arch::Amd64).expect("it is there");
    assert_eq!(image.trust(no_keys), Err("ubuntu-images.gpg".to_owned()));
    let trust = image.trust(|_| Ok::<_, String>(b"theirs".to_vec()));
    let keys = match trust {
        Ok(Some(Trust::Published {
            signature: Some(Signature::OpenPgp { keys, .. }),
            ..
        })) => keys,
        other => panic!("{other:?}"),
    };
    assert_eq!(keys, b"theirs");
    assert_ne!(own_keys("ubuntu-images.gpg"), keys);
}

#[test]
fn a_wrong_name_is_told_what_comes_near_or_what_there_is() {
    let catalogue = Catalogue::builtin();
    for (wanted, near) in [
        ("debain-12", "debian-12"),
        ("Fedora", "fedora"),
        ("ubuntu-2404", "ubuntu-24.04"),
    ] {
        let error = catalogue.find(wanted, Arch::Amd64).expect_err(wanted);
        assert_eq!(error.hint(), format!("did you mean `{near}`?"));
    }
    let error = catalogue
        .find("windows", Arch::Amd64)
        .expect_err("it is not there");
    assert!(
        matches!(&error, FindError::Unknown { near: None, .. }),
        "{error:?}"
    );
    assert!(
        error.hint().contains("debian-13, debian-12"),
        "{}",
        error.hint()
    );
}

#[test]
fn what_breaks_the_rules_of_a_catalogue_is_refused_with_its_place() {
    let base = "name: x, version: \"1\", arch: amd64";
    let digest = format!("digest: \"sha256:{}\"", "ab".repeat(32));
    let url = "url: \"https://example.org/x\"";
    for (fields, path, why) in [
        (
            format!("{base}, {url}"),
            "items[0]",
            "nothing says what the image must be",
        ),
        (
            format!("{base}, {url}, digest: md5:00"),
            "items[0].digest",
            "it is no digest",
        ),
        (
            format!("{base}, {url}, digest: \"sha512:00\""),
            "items[0].digest",
            "it is no digest",
        ),
        (
            format!("{base}, url: x, {digest}"),
            "items[0].url",
            "`x` is no URL of an image",
        ),
        (
            format!("{base}, {url}, {digest}, mirrors: [\"ftp://x/x\"]"),
            "items[0].mirrors[0]",
            "`ftp://x/x` is no URL of an image",
        ),
        (
            format!("{base}, url: \"http://x/x\", checksums: {{ url: \"https://x/s\" }}"),
            "items[0].url",
            "over http nothing says that it is the publisher's",
        ),
        (
            format!("{base}, {url}, checksums: {{ url: \"http://x/s\" }}"),
            "items[0].checksums.url",
            "a list that nobody signed must come over https",
        ),
        (
            format!(
                "{base}, {url}, checksums: {{ url: \"https://x/s\", signature: \"https://x/s.asc\" }}"
            ),
            "items[0].checksums",
            "nobody is named who may have signed it",
        ),
        (
            format!(
                "{base}, {url}, checksums: {{ url: \"https://x/s\", minisign: \"https://x/s.minisig\" }}"
            ),
            "items[0].checksums",
            "`minisign` and `minisignKey` belong together",
        ),
        (
            format!("name: \"../x\", version: \"1\", arch: amd64, {url}, {digest}"),
            "items[0].name",
            "`../x` is no name for an image",
        ),
        (
            format!("name: x, version: a/b, arch: amd64, {url}, {digest}"),
            "items[0].version",
            "`a/b` is no version",
        ),
        (
            format!("{base}, {url}, {digest}, size: 0"),
            "items[0].size",
            "an image has more bytes",
        ),
        (
            format!("{base}, {url}, {digest}, checksum: x"),
            "items[0].checksum",
            "`checksum` is not known",
        ),
    ] {
        let text = written(&format!("  - {{ {fields} }}\n"));
        let problems = add(&mut Catalogue::default(), &text).expect_err(&fields);
        let [problem] = problems.as_slice() else {
            panic!("{fields}: {problems:?}");
        };
        assert_eq!(
            (problem.path.as_str(), problem.message.as_str()),
            (path, why)
        );
        assert!(problem.place.is_some(), "{fields}");
    }
    let twice = item("x", "1", "amd64") + &item("x", "1", "arm64") + &item("x", "1", "amd64");
    let problems = add(&mut Catalogue::default(), &written(&twice)).expect_err("twice");
    assert_eq!(problems[0].message, "`x-1` is there twice for amd64");
    assert_eq!(problems[0].path, "items[2]");
}
