//! Pulls from a real registry, and from one that lies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use trustnet_core::artifact::Arch;

use super::{Found, ImageName, Login, OciError, Packed, find};
use image::{Image, Variation, digest, index, whole};
use liar::{Answer, Liar};
use real::RealRegistry;

mod image;
mod liar;
mod names;
mod real;
mod stored;

fn name(text: &str) -> ImageName {
    ImageName::parse(text).expect("an image's name")
}

fn pull(text: &str, arch: &str) -> Result<(String, Packed, Vec<u8>), OciError> {
    let found: Found = find(
        &name(text),
        Arch::parse(arch).expect("an architecture"),
        &Login::Anonymous,
    )?;
    let mut file = Vec::new();
    let packed = found.fetch(&mut file)?;
    Ok((found.pinned.clone(), packed, file))
}

fn refused(text: &str, architecture: &str) -> String {
    match pull(text, architecture) {
        Ok(_) => panic!("`{text}` was pulled"),
        Err(error) => crate::error::chain(&error),
    }
}

fn skopeo(arguments: &[&str]) -> Value {
    let output = Command::new("skopeo")
        .args(arguments)
        .output()
        .expect("skopeo is installed (`cargo xtask setup`)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn entries(file: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(file);
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let header = entry.header();
        assert_eq!(header.mtime().ok(), Some(0));
        assert_eq!((header.uid().ok(), header.gid().ok()), (Some(0), Some(0)));
        let path = entry.path().expect("a path").display().to_string();
        let mut bytes = Vec::new();
        std::io::copy(&mut entry, &mut bytes).expect("its bytes");
        assert!(
            found.insert(path.clone(), bytes).is_none(),
            "{path} is there twice"
        );
    }
    found
}

#[test]
fn an_image_from_a_real_registry_is_one_file_that_other_engines_read() {
    let registry = RealRegistry::start();
    let images = [
        Image::new("amd64", &["one", "two"]),
        Image::new("arm64", &["one", "three"]),
    ];
    let index = registry.push_index("tools/hello", "1.0", &images);
    let tagged = format!("{}/tools/hello:1.0", registry.host);
    let pinned = format!("{tagged}@{}", digest(&index));

    let (found, packed, file) = pull(&tagged, "arm64").expect("it is pulled");
    assert_eq!(found, pinned, "the tag becomes a digest");
    assert_eq!(packed.size, file.len() as u64);
    assert_eq!(format!("sha256:{}", packed.sha256), digest(&file));
    assert_eq!(packed.id, digest(&images[1].config));

    let (again, same, file_again) = pull(&pinned, "arm64").expect("it is pulled");
    assert_eq!((again, same), (pinned.clone(), packed));
    assert!(file == file_again, "the same image gives the same bytes");
    let (_, other, _) = pull(&pinned, "amd64").expect("it is pulled");
    assert_eq!(other.id, digest(&images[0].config));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.tar");
    fs::write(&path, &file).expect("it is written");
    read_by_skopeo(&path, &images[1], &tagged);
}

fn read_by_skopeo(path: &Path, image: &Image, tagged: &str) {
    let path = path.display();
    for kind in ["oci-archive", "docker-archive"] {
        let seen = skopeo(&[
            "inspect",
            "--override-arch=arm64",
            &format!("{kind}:{path}"),
        ]);
        assert_eq!(seen["Architecture"], json!("arm64"), "{kind}");
        assert_eq!(seen["Labels"], json!({ "made": "by a test" }), "{kind}");
        assert_eq!(seen["Layers"].as_array().map(Vec::len), Some(2), "{kind}");
    }
    let named = format!("oci-archive:{path}:1.0");
    let seen = skopeo(&["inspect", "--override-arch=arm64", &named]);
    assert_eq!(
        seen["Digest"],
        json!(digest(&image.manifest())),
        "the manifest is its own"
    );
    let named = format!("docker-archive:{path}:{tagged}");
    skopeo(&["inspect", "--override-arch=arm64", &named]);
    let copied = tempfile::tempdir().expect("a folder");
    let target = format!("dir:{}", copied.path().display());
    let output = Command::new("skopeo")
        .args([
            "--override-arch=arm64",
            "--insecure-policy",
            "copy",
            &named,
            &target,
        ])
        .output()
        .expect("skopeo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_a_real_registry_does_not_have_is_told() {
    let registry = RealRegistry::start();
    let host = &registry.host;
    registry.push("tools/hello", "1.0", &Image::new("amd64", &["one"]));
    let nothing = format!("sha256:{}", "0".repeat(64));
    let said = [
        refused(&format!("{host}/tools/hello:2.0"), "amd64"),
        refused(&format!("{host}/tools/nothing:1.0"), "amd64"),
        refused(&format!("{host}/tools/hello@{nothing}"), "amd64"),
        refused(&format!("{host}/tools/hello:1.0"), "arm64"),
    ]
    .map(|text| text.replace(host, "HOST"));
    assert_eq!(
        said,
        [
            "failed to pull `HOST/tools/hello:2.0`: the registry does not have the tag `2.0`".to_owned(),
            "failed to pull `HOST/tools/nothing:1.0`: the registry does not have the tag `1.0`".to_owned(),
            format!("failed to pull `HOST/tools/hello@{nothing}`: the registry does not have {nothing}"),
            "failed to pull `HOST/tools/hello:1.0`: it is not there for linux/arm64, only for linux/amd64"
                .to_owned(),
        ]
    );
}

#[test]
fn an_image_without_an_index_and_with_a_layer_twice_is_packed_once() {
    let image = Image::new("amd64", &["one", "two", "one"]);
    let liar = Liar::start(whole(&image, "hello", "1.0"));
    let (_, _, file) = pull(&format!("{}/hello:1.0", liar.host), "amd64").expect("it is pulled");
    let entries = entries(&file);
    let names: Vec<&str> = entries.keys().map(String::as_str).collect();
    let mut blobs: Vec<String> = [
        &image.config,
        &image.manifest(),
        &image.layers[0],
        &image.layers[1],
    ]
    .map(|bytes| format!("blobs/{}", digest(bytes).replace(':', "/")))
    .to_vec();
    blobs.sort();
    let mut wanted = vec!["blobs/", "blobs/sha256/"];
    wanted.extend(blobs.iter().map(String::as_str));
    wanted.extend(["index.json", "manifest.json", "oci-layout"]);
    assert_eq!(names, wanted);
    let archived: Value = serde_json::from_slice(&entries["manifest.json"]).expect("JSON");
    assert_eq!(archived[0]["Layers"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        archived[0]["RepoTags"],
        json!([format!("{}/hello:1.0", liar.host)])
    );
}

#[test]
fn a_registry_that_lies_is_found_out_and_its_words_are_harmless() {
    let image = Image::new("amd64", &["one", "two"]);
    let layer = format!("/v2/hello/blobs/{}", digest(&image.layers[1]));
    let manifest = "/v2/hello/manifests/1.0".to_owned();
    let bytes = image.layers[1].clone();
    let len = bytes.len();
    let mut changed = bytes.clone();
    changed[0] ^= 1;
    let cases: Vec<(&str, &str, Answer)> = vec![
        ("bytes that are others", &layer, Answer::ok(changed)),
        (
            "a layer cut short, and said so",
            &layer,
            Answer::ok(bytes[..len - 1].to_vec()),
        ),
        (
            "a layer that breaks off",
            &layer,
            Answer::ok(bytes.clone()).cut(len / 2),
        ),
        (
            "a layer that goes on",
            &layer,
            Answer::ok([bytes.clone(), vec![0; 9]].concat()),
        ),
        (
            "no layer",
            &layer,
            Answer::status(404, "gone \u{1b}[31mred"),
        ),
        (
            "a broken registry",
            &layer,
            Answer::status(500, "out of \u{1b}[31morder"),
        ),
        ("a login that is wanted", &manifest, Answer::status(401, "")),
        (
            "a login that does not do",
            &manifest,
            Answer::status(403, "not for you"),
        ),
        ("a page", &manifest, Answer::ok(b"<html>".to_vec())),
        (
            "a manifest too long",
            &manifest,
            Answer::ok(vec![b' '; 5 << 20]),
        ),
        (
            "an index in an index",
            &manifest,
            Answer::ok(index(&[("amd64", &index(&[]))])),
        ),
    ];
    let mut said = String::new();
    for (what, path, answer) in cases {
        let mut answers = whole(&image, "hello", "1.0");
        let inner = index(&[]);
        answers.insert(
            format!("/v2/hello/manifests/{}", digest(&inner)),
            Answer::ok(inner),
        );
        answers.insert(path.to_owned(), answer);
        let liar = Liar::start(answers);
        let text = refused(&format!("{}/hello:1.0", liar.host), "amd64");
        assert!(!text.contains('\u{1b}'), "{what}: {text:?}");
        let text = text
            .replace(&liar.host, "HOST")
            .replace(&digest(&image.layers[1]), "LAYER");
        said.push_str(&format!("{what}: {text}\n"));
    }
    assert_eq!(said, include_str!("tests/lies.txt"));
}

#[test]
fn manifests_that_are_no_image_of_ours_are_refused() {
    let good = Image::new("amd64", &["one"]);
    let config = |image: &mut Value| {
        image["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json")
    };
    let cases: [(&str, Variation); 8] = [
        ("a chart", config),
        ("old", |m| m["schemaVersion"] = json!(1)),
        ("both", |m| m["manifests"] = json!([])),
        ("SHA-512", |m| {
            m["layers"][0]["digest"] = json!(format!("sha512:{}", "0".repeat(128)))
        }),
        ("a path", |m| {
            m["layers"][0]["digest"] = json!("sha256:../../../etc/passwd")
        }),
        ("Windows", |m| {
            m["layers"][0]["mediaType"] =
                json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
        }),
        ("endless", |m| {
            m["layers"][0]["size"] = json!(u64::MAX);
        }),
        ("a large configuration", |m| {
            m["config"]["size"] = json!(5 << 20)
        }),
    ];
    for (what, change) in cases {
        let mut manifest: Value = serde_json::from_slice(&good.manifest()).expect("JSON");
        change(&mut manifest);
        let mut answers = whole(&good, "hello", "1.0");
        let bytes = serde_json::to_vec(&manifest).expect("JSON");
        answers.insert("/v2/hello/manifests/1.0".to_owned(), Answer::ok(bytes));
        let liar = Liar::start(answers);
        match pull(&format!("{}/hello:1.0", liar.host), "amd64") {
            Err(OciError::Manifest { .. }) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn a_digest_in_the_name_binds_the_registry() {
    let image = Image::new("amd64", &["one"]);
    let other = Image::new("amd64", &["two"]);
    let asked = digest(&image.manifest());
    let mut answers = whole(&image, "hello", "1.0");
    answers.insert(
        format!("/v2/hello/manifests/{asked}"),
        Answer::ok(other.manifest()),
    );
    let liar = Liar::start(answers);
    let text = format!("{}/hello:1.0@{asked}", liar.host);
    match pull(&text, "amd64") {
        Err(OciError::Digest { what, .. }) => assert_eq!(what, asked),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_is_fetched_where_the_registry_says_and_a_password_goes_there_only() {
    let image = Image::new("amd64", &["one"]);
    let liar = Liar::with_token(whole(&image, "hello", "1.0"), "T0KEN");
    let text = format!("{}/hello:1.0", liar.host);
    pull(&text, "amd64").expect("a token for everyone");
    let login = Login::Password {
        user: "ada".to_owned(),
        password: "PASSWORD-74".to_owned(),
    };
    assert!(!format!("{login:?}").contains("PASSWORD-74"));
    let found = find(&name(&text), Arch::Amd64, &login).expect("a token for ada");
    found.fetch(&mut Vec::new()).expect("it is pulled");
    let asked = liar.requests();
    // `ada:PASSWORD-74`, as basic authentication has it.
    let with_password: Vec<&str> = asked
        .iter()
        .filter(|request| request.contains("YWRhOlBBU1NXT1JELTc0"))
        .filter_map(|request| request.split(' ').nth(1))
        .collect();
    assert_eq!(with_password.len(), 1, "{asked:#?}");
    assert!(with_password[0].starts_with("/token?"), "{with_password:?}");
}
