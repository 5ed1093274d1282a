//! Which disks stand on which images, as far as anybody can tell.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use trustnet_core::image::usage::Chains;
use trustnet_core::image::{self, ImageContent, Sample};
use trustnet_core::plan::Plan;

use crate::doors::Hypervisor;
use crate::error::HostError;

/// All chains of a hypervisor: of its domains, of all volumes of its active pools, and of what interrupted runs go on
/// to make. To be called under the planning lock, which is held until what nobody stands on is deleted.
///
/// # Errors
/// The hypervisor refuses to tell.
pub fn chains(
    hypervisor: &dyn Hypervisor,
    plans: &[Plan],
    local: bool,
) -> Result<Chains, HostError> {
    let mut chains = Chains::default();
    let pools = hypervisor.pools().list()?;
    for pool in pools.iter().filter(|pool| pool.facts.active) {
        for volume in hypervisor.volumes().list(&pool.name)? {
            chains.volume(&pool.name, &volume);
        }
    }
    for domain in hypervisor.survey().domains()? {
        chains.domain(&domain.xml);
    }
    plans.iter().for_each(|plan| chains.plan(plan));
    if local {
        follow(&mut chains);
        resolve(&mut chains);
    }
    Ok(chains)
}

/// Follows the files that domains open and that are in no pool: snapshots, disks elsewhere. What they stand on stands
/// in their heads; of one whose head cannot be read or understood nobody knows.
fn follow(chains: &mut Chains) {
    let mut left: Vec<String> = chains.strangers().map(str::to_owned).collect();
    let mut done = BTreeSet::new();
    while let Some(file) = left.pop() {
        if !done.insert(file.clone()) {
            continue;
        }
        match look(Path::new(&file)) {
            Ground::Nothing => chains.seen(&file),
            Ground::File(backing) => {
                chains.link(&file, &backing);
                chains.seen(&file);
                left.push(backing);
            }
            Ground::Unknown => {}
        }
    }
}

/// What a file stands on.
enum Ground {
    Nothing,
    File(String),
    Unknown,
}

fn look(file: &Path) -> Ground {
    let head = match head(file) {
        Ok(head) => head,
        // What is not there any more stands on nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ground::Nothing,
        Err(_) => return Ground::Unknown,
    };
    let header = match ImageContent::of(Sample::head(&head)) {
        ImageContent::Qcow2(header) => header,
        // Of its other formats QEMU may know more than we do.
        ImageContent::Damaged(_) | ImageContent::Foreign(_) => return Ground::Unknown,
        _ => return Ground::Nothing,
    };
    let Some(backing) = header.backing else {
        return Ground::Nothing;
    };
    // `json:…`, `nbd://…`: not a path, and what is behind it is not ours to read.
    if backing
        .name
        .split('/')
        .next()
        .is_some_and(|first| first.contains(':'))
    {
        return Ground::Unknown;
    }
    match file.parent() {
        Some(folder) => Ground::File(folder.join(backing.name).to_string_lossy().into_owned()),
        None => Ground::Unknown,
    }
}

/// The beginning of a file or a block device. Anything else is not opened: a named pipe would wait for somebody who
/// writes.
fn head(file: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(file)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(io::Error::other("it is neither a file nor a block device"));
    }
    let mut head = Vec::new();
    File::open(file)?.take(image::HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// One file may have several paths, by links and by dots: each counts as the one that it comes to.
fn resolve(chains: &mut Chains) {
    for path in chains.files() {
        let Ok(real) = fs::canonicalize(&path) else {
            continue;
        };
        let real = real.to_string_lossy();
        if real != path {
            // Both ways: who stands on either stands on both.
            chains.link(&path, &real);
            chains.link(&real, &path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::Command;

    use trustnet_core::image::usage::Chains;
    use trustnet_core::xml::{DiskFacts, DomainXml, VolumeXml};

    use super::{follow, resolve};

    fn qemu_img(folder: &Path, args: &[&str]) {
        let mut command = Command::new("qemu-img");
        let done = command.args(args).current_dir(folder).output();
        let done = done.expect("qemu-img");
        assert!(done.status.success(), "{done:?}");
    }

    /// Who stands on `images/base`, where a domain has this disk.
    fn users(folder: &Path, disk: &str) -> Vec<String> {
        let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
        let base = VolumeXml {
            name: "base".to_owned(),
            path: path("images/base"),
            ..VolumeXml::default()
        };
        let mut chains = Chains::default();
        chains.volume("images", &base);
        chains.domain(&DomainXml {
            name: "web".to_owned(),
            disks: vec![DiskFacts {
                file: Some(path(disk)),
                ..DiskFacts::default()
            }],
            ..DomainXml::default()
        });
        follow(&mut chains);
        resolve(&mut chains);
        let users = chains.users("images", &base);
        users.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_disk_in_no_pool_says_what_it_stands_on_by_whatever_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        fs::create_dir(at.join("images")).expect("a folder");
        fs::create_dir(at.join("other")).expect("a folder");
        symlink(at.join("images"), at.join("link")).expect("a link");
        qemu_img(at, &["create", "-q", "-f", "qcow2", "images/base", "1M"]);
        let absolute = at.join("images/base");
        let absolute = absolute.to_str().expect("UTF-8");
        for (name, backing) in [
            ("absolute", absolute),
            ("relative", "../images/base"),
            ("linked", "../link/base"),
        ] {
            let disk = format!("other/{name}");
            let args = [
                "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, &disk,
            ];
            qemu_img(at, &args);
            assert_eq!(users(at, &disk), ["`web`"], "{name}");
        }
        let over = [
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            "relative",
            "other/over",
        ];
        qemu_img(at, &over);
        assert_eq!(users(at, "other/over"), ["`web`"]);
        assert_eq!(users(at, "link/base"), ["`web`"]);
        // One that stands on nothing, one that is raw, and one that is gone.
        qemu_img(at, &["create", "-q", "-f", "qcow2", "other/alone", "1M"]);
        fs::write(at.join("other/raw"), [0; 4096]).expect("a file");
        for name in ["other/alone", "other/raw", "other/gone"] {
            assert_eq!(users(at, name), Vec::<String>::new(), "{name}");
        }
        // Nobody knows of these.
        fs::write(at.join("other/vmdk"), b"KDMV\x01\0\0\0").expect("a file");
        fs::write(at.join("other/damaged"), b"QFI\xfb\0\0\0\x09").expect("a file");
        fs::create_dir(at.join("other/folder")).expect("a folder");
        for name in ["other/vmdk", "other/damaged", "other/folder"] {
            let found = users(at, name);
            assert!(
                found.len() == 1 && found[0].contains("perhaps"),
                "{name}: {found:?}"
            );
        }
    }
}
