//! What the program relies on of a hypervisor, asked of a real session daemon. It needs no guest, and
//! the daemon.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]

#[path = "guests_contract/brought.rs"]
mod brought;
#[path = "contract/contract.rs"]
mod contract;
#[path = "contract/filesystems.rs"]
mod filesystems;
#[path = "guests_contract/full.rs"]
mod full;
#[path = "contract/images.rs"]
mod images;
#[path = "guests_contract/killed.rs"]
mod killed;
#[path = "contract/pools.rs"]
mod pools;
#[path = "../src/host/cache/tests/server.rs"]
#[expect(dead_code, reason = "downloads have more to ask of it")]
mod publisher;
#[path = "guests_contract/stage.rs"]
mod stage;
#[expect(dead_code, reason = "other tests have guests in their homes")]
mod support;

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use contract::{POOL, Place, pool_xml};
use filesystems::Filesystem;
use trustnet_api::disk::DiskFormat;
use trustnet_core::artifact::{Arch, ArtifactId, ArtifactKind, ArtifactSet, Verified, VerifiedBy};
use trustnet_core::{cache_disk, xml};
use trustnet_host::cache::store::{Incoming, Store};
use trustnet_host::cache_disk::Wanted;
use trustnet_host::connect::connect;

/// The unprivileged user that root becomes: Debian's `nobody`.
const NOBODY: u32 = 65534;

/// Set where this program runs itself with a home of its own.
const AT_HOME: &str = "TRUSTNET_VM_TEST_AT_HOME";

/// One daemon for all: it is started once.
#[test]
fn a_session_daemon_keeps_every_promise() {
    if std::env::var_os(AT_HOME).is_none() {
        return at_home("a_session_daemon_keeps_every_promise");
    }
    let promises: [fn(&Place<'_>); 25] = [
        a_pool_that_was_defined_and_not_built_is_built,
        contract::a_pool_is_made_once_and_started_where_it_is_not_active,
        contract::a_volume_is_what_its_definition_says_and_nothing_is_made_twice,
        contract::what_is_not_there_is_none_and_deleting_it_is_no_error,
        contract::a_volume_stands_over_its_backing_file,
        contract::bytes_come_back_as_they_were_written,
        contract::a_stream_is_written_where_it_belongs_and_one_that_fails_is_told,
        images::a_file_keeps_its_holes_on_its_way_into_a_volume,
        brought::an_image_goes_through_a_stream_where_there_is_no_folder,
        contract::a_cache_disk_is_made_once_and_unused_until_a_domain_refers_to_it,
        contract::what_pools_hold_is_listed_with_the_pool,
        contract::a_definition_comes_back_with_its_record_whatever_is_in_it,
        contract::a_definition_over_the_old_one_replaces_it_and_a_bad_one_leaves_it,
        contract::a_name_belongs_to_one_uuid,
        contract::a_domain_starts_once_and_stops_when_its_power_is_cut,
        contract::a_domain_that_is_undefined_is_gone_and_may_be_undefined_again,
        contract::records_come_in_the_order_they_were_asked_for,
        contract::a_record_that_is_written_is_read_in_both_definitions,
        contract::the_host_says_who_it_is,
        pools::a_pool_is_listed_with_its_sizes_as_it_is_found,
        pools::a_pool_that_is_forgotten_leaves_its_files_and_finds_them_again,
        a_folder_that_is_gone_is_made_only_for_who_says_that_it_is_the_one,
        pools::a_pool_that_cannot_be_made_is_not_there_afterwards,
        pools::the_host_says_which_pools_it_can_have,
        pools::a_volume_is_copied_with_all_that_it_holds_into_the_format_and_size_that_are_asked_for,
    ];
    let hypervisor = connect("qemu:///session").expect("a connection");
    let folder = std::env::current_dir().expect("a folder");
    let place = Place {
        hypervisor: &*hypervisor,
        kind: "qemu",
        folder: &folder,
    };
    for promise in promises {
        promise(&place);
    }
}

/// What a run that was killed between the two leaves.
fn a_pool_that_was_defined_and_not_built_is_built(place: &Place<'_>) {
    let file = place.folder.join("pool.xml");
    std::fs::write(&file, pool_xml(place)).expect("a file");
    let mut virsh = Command::new("virsh");
    virsh
        .args(["-c", "qemu:///session", "pool-define"])
        .arg(file);
    assert!(virsh.status().expect("virsh starts").success());
    let pools = place.hypervisor.pools();
    assert!(!pools.find(POOL).expect("an answer").expect("a pool").active);
    pools.ensure(POOL, &pool_xml(place)).expect("a pool");
    assert!(pools.find(POOL).expect("an answer").expect("a pool").active);
}

/// The folder of a disk that is not mounted is missing, too.
fn a_folder_that_is_gone_is_made_only_for_who_says_that_it_is_the_one(place: &Place<'_>) {
    let pools = place.hypervisor.pools();
    let name = "tnvm-unmounted";
    let [folder, other] = ["unmounted", "other"].map(|name| place.folder.join(name));
    let said = |folder: &Path| xml::pool(name, folder.to_str().expect("UTF-8"));
    pools.ensure(name, &said(&folder)).expect("a pool");
    std::fs::remove_dir(&folder).expect("it was empty");
    // A look at it stops the pool.
    pools.refresh(name).expect_err("no folder");
    pools.ensure(name, &said(&other)).expect_err("no folder");
    assert!(!folder.exists() && !other.exists());
    pools.ensure(name, &said(&folder)).expect("a pool");
    assert!(folder.exists());
    pools.forget(name).expect("forgotten");
}

#[test]
fn a_pool_on_btrfs_is_copied_on_write_as_it_says() {
    let test = "a_pool_on_btrfs_is_copied_on_write_as_it_says";
    let promise = filesystems::on_btrfs_files_are_copied_on_write_as_the_pool_says;
    on_a_filesystem(test, filesystems::BTRFS, promise);
}

#[test]
fn a_full_disk_is_told() {
    let promise = filesystems::a_pool_that_is_full_says_so_and_has_its_room_again;
    on_a_filesystem("a_full_disk_is_told", filesystems::SMALL, promise);
}

/// Keeps a promise on a file system that is mounted for it, where that can be done.
fn on_a_filesystem(test: &str, wanted: Filesystem, promise: fn(&Place<'_>)) {
    if std::env::var_os(AT_HOME).is_none() {
        return at_home_on(test, Some(wanted));
    }
    let hypervisor = connect("qemu:///session").expect("a connection");
    promise(&Place {
        hypervisor: &*hypervisor,
        kind: "qemu",
        folder: &std::env::current_dir().expect("a folder"),
    });
}

/// Makes a file system in a file of a folder; why not, where it cannot be made or mounted here.
fn make(folder: &Path, wanted: Filesystem) -> Result<(), String> {
    let file = folder.join("disk.img");
    let made = std::fs::File::create(&file).and_then(|file| file.set_len(wanted.mib << 20));
    made.expect("a file");
    std::fs::create_dir(folder.join("mounted")).expect("a folder");
    let mut mkfs = Command::new(wanted.mkfs[0]);
    mkfs.args(&wanted.mkfs[1..]).arg(&file);
    let mut mount = Command::new("unshare");
    mount.args(["--mount", "mount", "-o", "loop"]);
    mount.arg(&file).arg(folder.join("mounted"));
    for command in [&mut mkfs, &mut mount] {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = command
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{program}: {}", said.trim().replace('\n', " ")));
        }
    }
    Ok(())
}

/// Mounts in a namespace of its own, which takes the mount along when it ends, and becomes the unprivileged user.
const MOUNTED: &str = "mount -o loop disk.img mounted && chown 65534:65534 mounted && \
    exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";

/// MiB of artifacts; 64 where nothing else is said.
const MIB: &str = "TRUSTNET_VM_TEST_ARTIFACTS_MIB";

/// What the daemon writes, as the kernel counts it, against the size of the disk.
#[test]
fn a_cache_disk_for_ten_costs_the_host_one_copy() {
    if std::env::var_os(AT_HOME).is_none() {
        return at_home("a_cache_disk_for_ten_costs_the_host_one_copy");
    }
    let folder = std::env::current_dir().expect("a folder");
    let hypervisor = connect("qemu:///session").expect("a connection");
    let place = Place {
        hypervisor: &*hypervisor,
        kind: "qemu",
        folder: &folder,
    };
    hypervisor
        .pools()
        .ensure(POOL, &pool_xml(&place))
        .expect("a pool");
    let store = Store::open(&folder.join("artifacts")).expect("a store");
    let mib = std::env::var(MIB)
        .ok()
        .and_then(|mib| mib.parse().ok())
        .unwrap_or(64u64);
    let incoming = Incoming {
        artifact: ArtifactId::new("bulk", "1", Arch::Amd64, "bulk").expect("a name"),
        kind: ArtifactKind::File,
        source: "here".to_owned(),
        verified: Verified::by(VerifiedBy::Pin),
    };
    let mut bytes = std::io::repeat(7).take(mib << 20);
    let entry = store
        .insert(&mut bytes, None, None, &incoming)
        .expect("taken in");
    let set = ArtifactSet::new([(entry.sha256, entry.size)]);
    let size = cache_disk::lay_out(&set).expect("a layout").size;
    let name = cache_disk::volume_name(&set);
    let wanted = Wanted {
        pool: POOL,
        volume: &name,
        xml: &xml::volume(&name, size, DiskFormat::Raw, None),
        artifacts: &set,
    };
    let before = written_by_the_daemon(&folder);
    let begun = std::time::Instant::now();
    for _ in 0..10 {
        trustnet_host::cache_disk::ensure(&*hypervisor, &store, &wanted, &|| false)
            .expect("it is there");
    }
    let took = begun.elapsed().as_secs_f64();
    let written = written_by_the_daemon(&folder) - before;
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let ratio = written as f64 / (mib << 20) as f64;
    let line =
        format!("ten guests, {mib} MiB: {written} bytes written, {ratio:.3} copies, {took:.2} s\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("a line");
    assert!((1.0..1.05).contains(&ratio), "{line}");
}

/// Bytes that this home's daemon has given to write(2).
fn written_by_the_daemon(folder: &Path) -> u64 {
    let pid = std::fs::read_to_string(folder.join("libvirt/libvirtd.pid")).expect("a daemon");
    let io = std::fs::read_to_string(format!("/proc/{}/io", pid.trim())).expect("its figures");
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|count| count.parse().ok()).expect("a count")
}

/// Runs a test of this program with a home of its own, as an unprivileged user: root has no session.
fn at_home(test: &str) {
    at_home_on(test, None);
}

/// The same with a file system of its own, which only root can mount.
fn at_home_on(test: &str, wanted: Option<Filesystem>) {
    // The path is short: libvirt's sockets live below it.
    let home = tempfile::Builder::new()
        .prefix("tnvm")
        .tempdir_in("/tmp")
        .expect("a folder");
    let program = home.path().join("tests");
    std::fs::copy(std::env::current_exe().expect("a program"), &program).expect("a copy");
    let root = std::fs::metadata("/proc/self").expect("proc").uid() == 0;
    let mut command = Command::new(&program);
    if let Some(wanted) = wanted {
        let why = if root {
            make(home.path(), wanted).err()
        } else {
            Some("only root can mount".to_owned())
        };
        if let Some(why) = why {
            let line = format!("skipped: {test}: {why}\n");
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("a line");
            return;
        }
        command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", MOUNTED, "sh"]);
        command.arg(&program);
    }
    if root {
        let owner = format!("{NOBODY}:{NOBODY}");
        let given = Command::new("chown")
            .arg("-R")
            .arg(owner)
            .arg(home.path())
            .status();
        assert!(given.expect("chown starts").success());
        if wanted.is_none() {
            command.uid(NOBODY).gid(NOBODY);
        }
    }
    command
        .args(["--exact", test, "--nocapture"])
        .current_dir(home.path())
        .env_clear();
    for name in [
        "HOME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "TMPDIR",
        AT_HOME,
    ] {
        command.env(name, home.path());
    }
    if let Some(mib) = std::env::var_os(MIB) {
        command.env(MIB, mib);
    }
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = command.output().expect("the program starts");
    if let Ok(pid) = std::fs::read_to_string(home.path().join("libvirt/libvirtd.pid")) {
        // It may have ended by itself.
        let _ = Command::new("kill").arg(pid.trim()).status();
    }
    let text = [output.stdout, output.stderr].concat();
    // Figures, where there are some.
    std::io::Write::write_all(&mut std::io::stderr(), &text).expect("lines");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&text)
    );
}
