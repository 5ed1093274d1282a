//! Any bytes as the indexes of an archive: all that comes of it is packages or an error, and what comes of it
//! holds: each relation of a closure is met within it or by what every system has, each package is there
//! once, and the flat index says the same.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use trustnet_core::deb::relation::{Relation, groups};
use trustnet_core::deb::{Index, ReleaseFile, closure, control, flat_index, version};

/// Fields that nobody guesses, and no package is without.
const FILE: &str = "Architecture: all\nFilename: a.deb\nSize: 1\n\
    SHA256: 0000000000000000000000000000000000000000000000000000000000000000\n";

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(release) = ReleaseFile::parse(&text) {
        let _ = release.check_time(0, false);
    }
    let (a, b) = text.split_at(text.floor_char_boundary(text.len() / 2));
    assert_eq!(version::compare(a, b), version::compare(b, a).reverse());
    for group in groups(&text).into_iter().flatten() {
        for relation in group {
            assert_eq!(Relation::read(&relation.to_string()), Ok(relation));
        }
    }

    let whole: String = control::stanzas(&text)
        .map(|stanza| format!("{FILE}{}\n\n", stanza.trim_end()))
        .collect();
    let Ok(index) = Index::new("amd64", &[&whole]) else { return };
    let mut names: Vec<&str> = index.package_names().collect();
    names.dedup();
    names.truncate(2);
    let Ok(packages) = closure(&index, &names) else { return };
    assert!(names.iter().all(|name| packages.iter().any(|package| package.name == *name)));
    let chosen: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(chosen.len(), packages.len());

    let of_closure: String = packages.iter().map(|package| format!("{}\n\n", package.stanza.trim_end())).collect();
    let closed = Index::new("amd64", &[&of_closure]).expect("it was an index before");
    let met = |relation: &Relation<'_>| {
        index.is_met_by_base(relation) || (0..closed.len()).any(|place| closed.meets(place, relation))
    };
    for package in &packages {
        for field in ["Pre-Depends", "Depends"] {
            let value = control::field(&package.stanza, field).unwrap_or_default();
            for mut group in groups(value).expect("it was read before") {
                group.retain(|relation| relation.counts_on("amd64"));
                assert!(group.is_empty() || group.iter().any(met), "{group:?}");
            }
        }
    }

    let flat = flat_index(&packages);
    let names_of = |text: &str| -> Vec<String> {
        control::stanzas(text).filter_map(|stanza| control::field(stanza, "Package").map(str::to_owned)).collect()
    };
    let listed = names_of(&flat);
    assert_eq!(listed.len(), packages.len());
});
