//! `render`: load, resolve, render. No hypervisor, no secret, no key: the same spec gives the same bytes.

use std::path::Path;

use trustnet_core::plan::{self, PublicKeys};
use trustnet_core::seed::{Seed, SeedInput};
use trustnet_core::vm::{SecretMap, Vm};
use trustnet_core::xml::DomainType;
use trustnet_host::secrets::{Keep, Sources};

use trustnet_api::KIND_LABEL;

use crate::Program;
use crate::args::{Output, Render, Target, VirtType};
use crate::failure::{Exit, Failure};
use crate::specs;
use crate::verbs::get::serialise;
use crate::verbs::render_cluster;

/// What stands where create puts the keys that it makes.
const KEYS: PublicKeys<'_> = PublicKeys {
    host: "ssh-ed25519 (made by create)",
    login: "ssh-ed25519 (made by create)",
};

/// Prints what libvirt and cloud-init would be told.
///
/// # Errors
/// The specs are wrong, or a file cannot be written.
pub fn run(program: &Program, args: &Render) -> Result<Exit, Failure> {
    if args.target == Target::Libvirt
        && let Some(flag) = args.manifests.given().or(of_kubevirt(args))
    {
        let message = format!("`{flag}` is for `--target kubernetes` and `--target kubevirt`");
        return Err(Failure::new(Exit::Usage, message));
    }
    let specs = specs::load(program, &args.files.all())?;
    if args.target != Target::Libvirt {
        return render_cluster::run(program, &specs, args);
    }
    let kind = if program.settings.virt_type.value == VirtType::Qemu {
        DomainType::Qemu
    } else {
        DomainType::Kvm
    };
    for spec in &specs {
        let session = program.settings.connect.value.ends_with("/session");
        let observed = plan::ideal_host(&spec.vm, session, kind);
        let (domain, volumes) = plan::render(&spec.vm, &observed, KEYS, env!("CARGO_PKG_VERSION"));
        match &args.out {
            None => program.ui.result(match form(program, &spec.vm) {
                Some(form) => document(form, &spec.vm)?,
                None => domain,
            }),
            Some(out) => {
                let folder = out.join(spec.vm.name().as_str());
                write_all(
                    &folder,
                    &spec.vm,
                    &domain,
                    &volumes,
                    &secrets(program, spec)?,
                )?;
                program.ui.say(format!("wrote {}", folder.display()));
            }
        }
    }
    Ok(Exit::Done)
}

/// A flag that only a cluster heeds.
fn of_kubevirt(args: &Render) -> Option<&'static str> {
    let guest = args.guest_arch.is_some().then_some("--guest-arch");
    guest.or(args.with_secrets.then_some("--with-secrets"))
}

/// The form in which a VM is printed as a spec; none where libvirt's XML is.
fn form(program: &Program, vm: &Vm) -> Option<Output> {
    let became = vm.labels().contains_key(KIND_LABEL);
    match program.settings.output.value {
        form @ (Output::Json | Output::Yaml) => Some(form),
        Output::Table | Output::Wide | Output::Name => became.then_some(Output::Yaml),
    }
}

/// A VM as a spec; several in a row are one file.
fn document(form: Output, vm: &Vm) -> Result<String, Failure> {
    let text = serialise(form, vm.wire())?;
    Ok(if form == Output::Yaml {
        format!("---\n{text}")
    } else {
        text
    })
}

/// Secrets by reference go into the seed that is written, and nowhere else.
pub fn secrets(program: &Program, spec: &specs::Spec) -> Result<SecretMap, Failure> {
    let sources = Sources {
        folder: &spec.folder,
        paths: program.env.paths()?,
        var: &|name| program.env.var(name),
        keep: Keep::Yes,
    };
    Ok(trustnet_host::secrets::read(&spec.vm, &sources)?)
}

fn write_all(
    folder: &Path,
    vm: &Vm,
    domain: &str,
    volumes: &[(String, String)],
    secrets: &SecretMap,
) -> Result<(), Failure> {
    let seed = Seed::render(&SeedInput {
        vm,
        secrets,
        host_key: None,
        login_key: None,
    })
    .map_err(|error| {
        Failure::new(
            Exit::Spec,
            format!("failed to make the seed of `{}`: {error}", vm.name()),
        )
    })?;
    let iso = seed.to_iso();
    let mut files: Vec<(String, &[u8])> = vec![
        ("domain.xml".to_owned(), domain.as_bytes()),
        ("seed.iso".to_owned(), &iso),
    ];
    files.extend(
        seed.documents()
            .map(|(name, text)| (name.to_owned(), text.as_bytes())),
    );
    files.extend(
        volumes
            .iter()
            .map(|(name, xml)| (format!("volumes/{name}.xml"), xml.as_bytes())),
    );
    let failed = |path: &Path, error: std::io::Error| {
        Failure::new(
            Exit::Usage,
            format!("failed to write `{}`: {error}", path.display()),
        )
    };
    for (name, bytes) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            trustnet_host::paths::private_dir(parent)?;
        }
        // The seed may hold secrets of the spec: for the user only.
        trustnet_host::paths::write_private(&path, bytes).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}
