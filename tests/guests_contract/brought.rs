//! Images in pools of a real daemon: how they come, how they are known again, and who keeps them there.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use trustnet_core::xml::VolumeXml;
use trustnet_host::image::bring::{Ask, Bringer, Brought, Vouch};
use trustnet_host::image::records::Records;
use trustnet_host::image::standing::{Reading, Standing, standing};
use trustnet_host::image::stray::strays;
use trustnet_host::paths::Paths;

use crate::contract::{POOL, Place, with_pool};
use crate::stage::{LENGTH, Stage, checksum};

#[test]
fn a_file_becomes_a_volume_with_its_holes_and_a_record() {
    let stage = Stage::new();
    for (file, name, format) in [
        ("disk.raw", "disk.raw", "raw"),
        ("disk.qcow2", "disk.qcow2", "qcow2"),
        ("disk.qcow2", "debian-12", "qcow2"),
    ] {
        let from = stage.home.path(file);
        let import = ["image", "import", file, "--name", name];
        assert!(stage.home.done(import).out.contains("imported"));
        let volume = stage.pool().join(name);
        assert!(
            fs::read(&volume).expect("a volume") == fs::read(&from).expect("a file"),
            "{name} came different"
        );
        let facts = fs::metadata(&volume).expect("a volume");
        let source = fs::metadata(&from).expect("a file");
        assert_eq!(facts.mode() & 0o7777, 0o644, "{name}");
        assert!(
            facts.blocks() <= source.blocks() + 128,
            "{name}: {} blocks of {}",
            facts.blocks(),
            source.blocks()
        );
        let xml = stage.libvirt("foundry-images", name);
        assert!(xml.contains(&format!("<format type='{format}'/>")), "{xml}");
        let info = stage.json(&["image", "info", name]);
        assert_eq!(
            (&info["format"], &info["virtualSize"], &info["arrival"]),
            (&format.into(), &LENGTH.into(), &"whole".into()),
            "{info}"
        );
        assert_eq!(info["source"], from.to_str().expect("UTF-8"));
        assert_eq!(info["path"], volume.to_str().expect("UTF-8"));
        assert!(stage.home.done(import).out.contains("nothing to do"));
        let again = fs::metadata(&volume).expect("a volume");
        assert_eq!(
            (again.ino(), again.mtime_nsec()),
            (facts.ino(), facts.mtime_nsec())
        );
        assert_eq!(stage.left(), Vec::<String>::new());
    }
    let list = stage.json(&["image", "list"]);
    assert_eq!(list["items"].as_array().expect("items").len(), 3, "{list}");
    // What is made of a file is known again too.
    let packed = stage.pack("disk.raw");
    for (file, more) in [
        (packed.as_str(), &[][..]),
        ("disk.raw", &["--convert"]),
        (&packed, &["--compress"]),
    ] {
        let import = ["image", "import", file, "--name", "made"];
        let import: Vec<&str> = import.iter().chain(more).copied().collect();
        assert!(stage.home.done(&import).out.contains("imported"));
        let again = stage.home.run(&import);
        assert!(again.out.contains("nothing to do"), "{}", again.err);
        // Touched, it is looked at, and is the same.
        let touched = fs::File::open(stage.home.path(file)).expect("a file");
        let now = std::time::SystemTime::now();
        touched.set_modified(now).expect("touched");
        if more != ["--compress"] {
            let again = stage.home.run(&import);
            assert!(again.out.contains("nothing to do"), "{}", again.err);
        }
        stage.home.done(["image", "verify", "made"]);
        assert_eq!(stage.left(), Vec::<String>::new());
        stage.home.done(["image", "delete", "made", "--yes"]);
    }
}

#[test]
fn an_image_that_was_written_to_is_found_and_no_vm_is_made_from_it() {
    let stage = Stage::new();
    let sum = checksum(&stage.home.path("disk.qcow2"));
    let import = ["image", "import", "disk.qcow2", "--name", "base"];
    stage.home.done(import.iter().chain(&["--checksum", &sum]));
    let spec = stage.home.file(
        "web.yaml",
        "apiVersion: trustnet.io/v1alpha1\nkind: VirtualMachine\nmetadata: { name: web }\nspec:\n  vcpus: 1\n  \
         memory: 128Mi\n  bootDisk: { size: 1Gi, image: base }\n  networkInterfaces:\n    - user: {}\n",
    );
    let spec = spec.to_str().expect("UTF-8");
    let file = stage.pool().join("base");
    let write = |byte: u8| {
        let file = fs::File::options().write(true).open(&file);
        file.expect("a volume")
            .write_all_at(&[byte], 70_000)
            .expect("written");
    };
    let was = fs::read(&file).expect("a volume")[70_000];
    write(was ^ 1);
    let why = ["its bytes have changed", "image delete base"];
    stage.refused(&["create", spec], 5, &why);
    let verified = stage.home.run(["image", "verify"]);
    assert_eq!(verified.code, 5, "{}", verified.err);
    assert!(verified.out.contains("base: changed"), "{}", verified.out);
    // Another time, and the bytes that it had.
    write(was);
    stage.home.done(["image", "verify", "base"]);
    assert!(!stage.home.virsh(&["list", "--all"]).out.contains("web"));
}

#[test]
fn an_image_stays_while_a_chain_of_a_domain_stands_on_it() {
    let stage = Stage::new();
    let home = &stage.home;
    home.done(["image", "import", "disk.qcow2", "--name", "base"]);
    let image = stage.pool().join("base");
    let image = image.to_str().expect("UTF-8");
    // The disk is in no pool; nor is the snapshot, which names it as a neighbour.
    let make = |name: &str, backing: &str| {
        let mut make = home.at_home("qemu-img");
        make.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]);
        let made = make.args([backing, name]).status();
        assert!(made.expect("qemu-img starts").success());
    };
    make("disk-of-web", image);
    make("snapshot", "disk-of-web");
    let snapshot = home.path("snapshot");
    let xml = home.file(
        "web.xml",
        &format!(
            "<domain type='qemu'><name>web</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
             <os><type>hvm</type></os><devices><disk type='file' device='disk'>\
             <driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vda'/></disk></devices></domain>",
            snapshot.display()
        ),
    );
    let virsh = |args: &[&str]| {
        let run = home.virsh(args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.err);
    };
    virsh(&["define", xml.to_str().expect("UTF-8")]);
    let stays = |when: &str| {
        stage.refused(
            &["image", "delete", "base", "--yes"],
            5,
            &["`web` stands on it"],
        );
        let pruned = home.done(["image", "prune", "--yes"]);
        assert!(pruned.out.contains("nothing to remove"), "{when}");
        let info = stage.json(&["image", "info", "base"]);
        assert_eq!(
            info["usedBy"],
            serde_json::json!([{ "domain": "web" }]),
            "{when}"
        );
    };
    stays("defined");
    virsh(&["start", "web", "--paused"]);
    stays("running");
    // libvirt's own snapshot of the running one.
    let args = ["snapshot-create-as", "web", "more", "--disk-only"];
    virsh(&[&args[..], &["--diskspec", "vda,snapshot=external"]].concat());
    stays("running on a snapshot of libvirt's");
    virsh(&["undefine", "web", "--snapshots-metadata"]);
    stays("running, and not defined any more");
    virsh(&["destroy", "web"]);
    home.done(["image", "delete", "base", "--yes"]);
    assert!(!Path::new(image).exists());
}

/// Where the pool's folder is not to be written to, or not of this machine.
pub fn an_image_goes_through_a_stream_where_there_is_no_folder(place: &Place<'_>) {
    with_pool(place);
    let home = place.folder.to_owned();
    let var = |name: &str| (name == "HOME").then(|| home.clone().into());
    let paths = Paths::from_env(var).expect("a home");
    let records = Records::of(&paths, "qemu:///session");
    let file = place.folder.join("streamed.raw");
    let disk = fs::File::create(&file).expect("a file");
    disk.set_len(LENGTH).expect("a length");
    disk.write_all_at(&[0x55, 0xaa], 510).expect("written");
    disk.write_all_at(&[7; 300_000], 1 << 20).expect("written");
    let ask = Ask {
        pool: POOL,
        volume: "streamed",
        default_user: None,
        convert: None,
    };
    let bringer = Bringer {
        hypervisor: place.hypervisor,
        records: &records,
        local: false,
        folder: &place.folder.join("on-its-way"),
        watch: &(),
    };
    let brought = bringer.import(ask, &file, Vouch::Nobody).expect("it comes");
    assert!(matches!(brought, Brought::New(_)), "{brought:?}");
    let again = bringer
        .import(ask, &file, Vouch::Nobody)
        .expect("it is there");
    assert!(matches!(again, Brought::There(_)), "{again:?}");
    let found = || -> VolumeXml {
        let volumes = place.hypervisor.volumes().list(POOL).expect("volumes");
        let mut all = volumes.into_iter();
        all.find(|one| one.name == "streamed").expect("an image")
    };
    let volume = found();
    assert_eq!(volume.format, "raw");
    assert!(volume.allocation < LENGTH / 4, "{volume:?}");
    assert!(fs::read(&volume.path).expect("bytes") == fs::read(&file).expect("bytes"));
    let stands = |reading| {
        let hypervisor = place.hypervisor;
        let (stands, _) =
            standing(hypervisor, &records, POOL, &found(), false, reading, &()).expect("an answer");
        stands
    };
    assert_eq!(stands(Reading::WhereItLooksChanged), Standing::Good);
    assert_eq!(stands(Reading::All), Standing::Good);
    let left = strays(bringer.folder).expect("strays");
    assert_eq!(left.files.len(), 0, "{left:?}");
}
