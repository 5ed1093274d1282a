//! The flat repository of a closure, as apt itself sees it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use trustnet_core::deb::flat_index;

use super::Stage;

/// apt with a system of its own, which has nothing but what is essential.
fn apt(root: &Path, arguments: &[&str]) -> Output {
    let mut apt = Command::new("apt-get");
    for (name, value) in [
        ("Dir", format!("{}/", root.display())),
        ("Dir::State::status", format!("{}/status", root.display())),
        (
            "Dir::Etc::SourceList",
            format!("{}/sources.list", root.display()),
        ),
        ("Dir::Etc::SourceParts", "/dev/null".to_owned()),
        ("APT::Architecture", "amd64".to_owned()),
        ("APT::Architectures::", "amd64".to_owned()),
        ("APT::Sandbox::User", String::new()),
        ("Acquire::Languages", "none".to_owned()),
        ("Debug::NoLocking", "1".to_owned()),
    ] {
        apt.arg("-o").arg(format!("{name}={value}"));
    }
    let apt = apt
        .args(arguments)
        .env("LC_ALL", "C")
        .env("APT_CONFIG", "/dev/null");
    apt.output().expect("apt-get starts")
}

/// A system with a flat repository of the closure of `app`.
fn system(stage: &Stage) -> std::path::PathBuf {
    let archive = stage.served();
    let packages = stage.app(&archive).expect("a closure");
    let root = stage.cache.path().join("root");
    let flat = root.join("flat");
    for folder in [
        "etc/apt/preferences.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "flat",
    ] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    for package in &packages {
        archive
            .download(package, &flat.join(package.file()))
            .expect("a package");
    }
    fs::write(flat.join("Packages"), flat_index(&packages)).expect("it is written");
    let source = format!("deb [trusted=yes] file:{} ./\n", flat.display());
    fs::write(root.join("sources.list"), source).expect("it is written");
    let essential = "Package: sh\nStatus: install ok installed\nEssential: yes\nVersion: 5\nArchitecture: amd64\n\
        Maintainer: Test <test@example.org>\nDescription: sh\n";
    fs::write(root.join("status"), essential).expect("it is written");
    root
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn apt_installs_from_the_flat_repository_and_from_nothing_else() {
    let stage = Stage::new();
    let root = system(&stage);
    let update = apt(&root, &["update"]);
    assert!(update.status.success(), "{}", said(&update));
    let install = ["--no-install-recommends", "-y", "install", "app"];
    let simulated = apt(&root, &[&["-s"], &install[..]].concat());
    let text = said(&simulated);
    assert!(simulated.status.success(), "{text}");
    let installed = text.lines().filter_map(|line| line.strip_prefix("Inst "));
    let mut installed: Vec<&str> = installed
        .filter_map(|line| line.split(' ').next())
        .collect();
    installed.sort_unstable();
    assert_eq!(installed, ["app", "data", "lib"], "{text}");
    let places = said(&apt(&root, &[&["--print-uris"], &install[..]].concat()));
    for name in ["app", "data", "lib"] {
        let place = format!("'file:{}/flat/./{name}.deb'", root.display());
        assert!(places.contains(&place), "{places}");
    }
}

#[test]
fn apt_takes_no_package_that_is_not_what_the_flat_index_says() {
    let stage = Stage::new();
    let root = system(&stage);
    let install = [
        "--no-install-recommends",
        "-y",
        "--download-only",
        "install",
        "app",
    ];
    assert!(apt(&root, &["update"]).status.success());
    let good = apt(&root, &install);
    assert!(good.status.success(), "{}", said(&good));
    let path = root.join("flat/lib.deb");
    let mut bytes = fs::read(&path).expect("a package");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).expect("it is written");
    let bad = apt(&root, &install);
    assert!(
        !bad.status.success() && said(&bad).contains("Hash Sum mismatch"),
        "{}",
        said(&bad)
    );
}
