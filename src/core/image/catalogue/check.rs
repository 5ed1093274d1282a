//! The rules of a catalogue, beyond the types of its fields.

use std::collections::BTreeSet;

use trustnet_api::image_catalogue::{CatalogueImage, ImageCatalogue};

use super::arch_of;
use crate::artifact::Checksum;
use crate::path;
use crate::problem::Problem;
use crate::service::{is_name, is_version, signed};

/// What is wrong with a catalogue.
#[must_use]
pub fn check(catalogue: &ImageCatalogue) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, image) in catalogue.items.iter().enumerate() {
        let path = path::item("items", index);
        let (name, version) = (&image.name, &image.version);
        if !seen.insert((name, version, arch_of(image))) {
            let message = format!("`{name}-{version}` is there twice for {}", arch_of(image));
            problems.push(Problem::error(&path, message).hint("keep one of them"));
        }
        named(&path, image, &mut problems);
        placed(&path, image, &mut problems);
        vouched(&path, image, &mut problems);
    }
    problems
}

fn named(path: &str, image: &CatalogueImage, problems: &mut Vec<Problem>) {
    let field = |name| path::field(path, name);
    if !is_name(&image.name) {
        let message = format!("`{}` is no name for an image", image.name);
        let problem = Problem::error(field("name"), message);
        problems.push(problem.hint("use lower-case letters, digits, `-` and `_`"));
    }
    if !is_version(&image.version) {
        let message = format!("`{}` is no version", image.version);
        problems.push(Problem::error(field("version"), message));
    }
    if image.size == Some(0) {
        problems.push(Problem::error(field("size"), "an image has more bytes"));
    }
}

fn placed(path: &str, image: &CatalogueImage, problems: &mut Vec<Problem>) {
    let mirrors = image.mirrors.iter().enumerate();
    let mirrors =
        mirrors.map(|(index, url)| (path::item(&path::field(path, "mirrors"), index), url));
    let places = std::iter::once((path::field(path, "url"), &image.url)).chain(mirrors);
    let known = image.digest.is_some() || image.checksums.as_ref().is_some_and(is_signed);
    for (path, url) in places {
        let problem = if url.starts_with("https://") || url.starts_with("file:///") {
            continue;
        } else if !url.starts_with("http://") {
            Problem::error(path, format!("`{url}` is no URL of an image"))
                .hint("write `https://…`, or `file:///…`")
        } else if known {
            continue;
        } else {
            Problem::error(path, "over http nothing says that it is the publisher's")
                .hint("use https, or add its `digest`")
        };
        problems.push(problem);
    }
}

fn vouched(path: &str, image: &CatalogueImage, problems: &mut Vec<Problem>) {
    if let Some(digest) = &image.digest
        && Checksum::labelled(digest).is_none()
    {
        let problem = Problem::error(path::field(path, "digest"), "it is no digest");
        problems.push(problem.hint("write `sha256:` or `sha512:` and its hexadecimal digits"));
    }
    let Some(list) = &image.checksums else {
        if image.digest.is_none() {
            let problem = Problem::error(path, "nothing says what the image must be");
            problems.push(problem.hint("add its `digest`, or the publisher's `checksums`"));
        }
        return;
    };
    let path = path::field(path, "checksums");
    problems.extend(signed(&path, list));
    let safe = list.url.starts_with("https://") || list.url.starts_with("file:///");
    if !safe && !is_signed(list) {
        let problem = Problem::error(
            path::field(&path, "url"),
            "a list that nobody signed must come over https",
        );
        problems.push(problem.hint("use https, or say who signs it"));
    }
}

fn is_signed(list: &trustnet_api::service::Checksums) -> bool {
    list.keyring.is_some() || list.minisign_key.is_some()
}
