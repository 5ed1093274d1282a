//! In which pool a VM's disks and its image are: flag, spec, environment, configuration, default.

use trustnet_host::fake::{Pool, qcow2_header};

use crate::home::Home;

fn home() -> Home {
    Home::with(|state| {
        for name in ["flag", "spec", "env", "config"] {
            let pool = Pool::new(name, &format!("/fake/{name}"));
            state.pools.insert(name.to_owned(), pool);
            let mut images = Pool::new(&format!("{name}-images"), &format!("/fake/{name}-images"));
            images.put("debian-12.qcow2", &qcow2_header(2 << 30));
            state.pools.insert(format!("{name}-images"), images);
        }
    })
}

/// Writes the configuration of who lives there.
fn configure(home: &Home, text: &str) {
    std::fs::create_dir_all(home.path(".config/trustnet-vm")).expect("a folder");
    home.file(".config/trustnet-vm/config.yaml", text);
}

/// Where the boot disk of a VM lies, and over which image.
fn boot_disk(home: &Home, vm: &str) -> (String, String) {
    let state = home.state();
    let domains = state.domains.values().map(|domain| domain.facts().xml);
    let mut ours = domains.filter(|domain| domain.name == vm);
    let disk = ours.next().expect("the VM").disks.remove(0);
    (disk.file.expect("a file"), disk.backing.concat())
}

#[test]
fn a_flag_wins_over_the_spec_and_the_spec_over_environment_configuration_and_default() {
    let home = home();
    let mut least = Vec::new();
    // What counts the least is there first.
    for (vm, said, spec, flag) in [
        ("default", 0, false, false),
        ("config", 1, false, false),
        ("env", 2, false, false),
        ("spec", 2, true, false),
        ("flag", 2, true, true),
    ] {
        if said == 1 {
            configure(&home, "pool: config\nimagePool: config-images\n");
        }
        let more = if spec { "  storagePool: spec\n" } else { "" };
        let file = home.spec(vm, more);
        if spec {
            let text = std::fs::read_to_string(&file).expect("the spec");
            let image = "image: debian-12.qcow2";
            let text = text.replace(image, &format!("{image}\n    imagePool: spec-images"));
            home.file(&format!("{vm}.yaml"), &text);
        }
        let mut program = home.program();
        program.args(["create", "--no-wait", "--quiet", &file]);
        if said == 2 {
            program.env("TRUSTNET_VM_POOL", "env");
            program.env("TRUSTNET_VM_IMAGE_POOL", "env-images");
        }
        if flag {
            program.args(["--pool", "flag", "--image-pool", "flag-images"]);
        }
        let output = program.output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        least.push((vm, boot_disk(&home, vm)));
    }
    for (vm, (file, image)) in least {
        let (pool, images) = match vm {
            "default" => ("vms".to_owned(), "images".to_owned()),
            other => (other.to_owned(), format!("{other}-images")),
        };
        assert_eq!(file, format!("/fake/{pool}/{vm}_boot.qcow2"), "{vm}");
        assert_eq!(image, format!("/fake/{images}/debian-12.qcow2"), "{vm}");
    }
}

#[test]
fn a_vm_stays_where_it_was_made_when_a_default_changes() {
    let home = home();
    let spec = home.spec("web", "");
    home.done(["create", "--quiet", "--pool", "flag", &spec]);
    configure(&home, "pool: config\nimagePool: config-images\n");
    let mut said = home.says(["create", "web.yaml"]);
    said += &home.says(["plan", "web.yaml", "--pool", "flag"]);
    said += &home.says(["create", "web.yaml", "--pool", "config"]);
    said += &home.says(["get", "web"]);
    home.done(["destroy", "web", "--yes", "--quiet"]);
    said += &home.says(["plan", "web.yaml"]);
    said += &home.says(["plan", "web.yaml", "--pool", "nowhere"]);
    said += &home.says(["plan", "web.yaml", "--pool", "a/b"]);
    insta::assert_snapshot!(said);
    assert!(home.state().pools["flag"].volumes.is_empty());
}

#[test]
fn an_image_that_names_its_pool_or_a_path_is_taken_from_there_whatever_the_default_is() {
    let home = home();
    let text = std::fs::read_to_string(home.spec("web", "")).expect("the spec");
    let named = text.replace("debian-12.qcow2", "spec-images:debian-12.qcow2");
    home.file("named.yaml", &named);
    let path = text.replace("debian-12.qcow2", "/fake/env-images/debian-12.qcow2");
    home.file("path.yaml", &path);
    for (file, image) in [
        ("named.yaml", "/fake/spec-images/debian-12.qcow2"),
        ("path.yaml", "/fake/env-images/debian-12.qcow2"),
    ] {
        home.done([
            "create",
            "--quiet",
            "--no-wait",
            "--image-pool",
            "flag-images",
            file,
        ]);
        assert_eq!(boot_disk(&home, "web").1, image);
        home.done(["destroy", "web", "--yes", "--force", "--quiet"]);
    }
    let rendered = home.done([
        "render",
        "web.yaml",
        "--pool",
        "ssd",
        "--image-pool",
        "golden",
    ]);
    assert!(
        rendered.out.contains("/ssd/web_boot.qcow2"),
        "{}",
        rendered.out
    );
    assert!(
        rendered.out.contains("/golden/debian-12.qcow2"),
        "{}",
        rendered.out
    );
}
