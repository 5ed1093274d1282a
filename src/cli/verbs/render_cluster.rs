//! `render --target kubernetes` and `--target kubevirt`: objects of a cluster instead of a domain.

use std::path::Path;

use serde_json::{Value, json};
use trustnet_core::kubernetes::{self, Notice, Refused, TOKEN_KEY, TokenSecret, Workload};
use trustnet_core::kubevirt;
use trustnet_core::seed::{Seed, SeedInput};
use trustnet_core::vm::{SecretMap, Vm};
use trustnet_host::kubernetes::ObjectName;
use trustnet_host::secrets::{Keep, Sources};

use crate::Program;
use crate::args::{Manifests, Output, Render, Target};
use crate::failure::{Exit, Failure};
use crate::specs::Spec;
use crate::verbs::get::serialise;
use crate::verbs::render;

/// Prints the objects, or writes each into a file.
///
/// # Errors
/// A document cannot be so in a cluster, a secret cannot be read, or a file cannot be written.
pub fn run(program: &Program, specs: &[Spec], args: &Render) -> Result<Exit, Failure> {
    let objects = if args.target == Target::Kubernetes {
        of_kubernetes(program, specs, &args.manifests, args.with_secrets)?
    } else {
        of_kubevirt(program, specs, args)?
    };
    let form = match program.settings.output.value {
        Output::Json => Output::Json,
        Output::Yaml | Output::Table | Output::Wide | Output::Name => Output::Yaml,
    };
    match &args.out {
        Some(folder) => {
            write(folder, form, &objects)?;
            let count = objects.len();
            let wrote = format!("wrote {count} objects into {}", folder.display());
            program.ui.say(wrote);
        }
        None if form == Output::Json => {
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
            program.ui.result(serialise(form, &list)?);
        }
        None => {
            for object in &objects {
                program
                    .ui
                    .result(format!("---\n{}", serialise(form, object)?));
            }
        }
    }
    Ok(Exit::Done)
}

/// The objects of registries and nodes; what has no equivalent has been told.
///
/// # Errors
/// A document cannot be so in a cluster, or a secret cannot be read.
pub fn of_kubernetes(
    program: &Program,
    specs: &[Spec],
    manifests: &Manifests,
    with_secrets: bool,
) -> Result<Vec<Value>, Failure> {
    let options = manifests.for_kubernetes();
    let workloads: Vec<Workload<'_>> = specs
        .iter()
        .map(|spec| Workload {
            vm: &spec.vm,
            services: &spec.services,
        })
        .collect();
    let made = kubernetes::manifests(&workloads, &options).map_err(|all| refused(program, &all))?;
    tell(program, &made.notices);
    let mut objects = made.objects;
    for token in &made.tokens {
        if with_secrets {
            objects.push(token.object(&token_of(program, specs, token)?, &options));
        } else {
            program.ui.say(format!(
                "the Secret `{}` is not among them; it has to be there: `kubectl --namespace {} create secret generic {} \
                 --from-file={TOKEN_KEY}=FILE`, or give --with-secrets",
                token.name, options.namespace, token.name
            ));
        }
    }
    Ok(objects)
}

/// The token itself: the one that is kept on this machine, where the documents name no other.
fn token_of(program: &Program, specs: &[Spec], token: &TokenSecret) -> Result<String, Failure> {
    let spec = specs.iter().find(|spec| *spec.vm.name() == token.vm);
    let sources = Sources {
        folder: spec.map_or(Path::new("."), |spec| &spec.folder),
        paths: program.env.paths()?,
        var: &|name| program.env.var(name),
        keep: Keep::Yes,
    };
    Ok(sources.read(&token.vm, &token.from)?)
}

fn of_kubevirt(program: &Program, specs: &[Spec], args: &Render) -> Result<Vec<Value>, Failure> {
    let options = args.manifests.for_kubevirt(args.guest_arch);
    let vms: Vec<&Vm> = specs.iter().map(|spec| &spec.vm).collect();
    let images = program.image_catalogue()?;
    let made =
        kubevirt::manifests(&vms, &images, &options).map_err(|all| refused(program, &all))?;
    tell(program, &made.notices);
    let mut objects = made.objects;
    for spec in specs {
        let vm = &spec.vm;
        if vm.has_secrets() && !args.with_secrets {
            program.ui.say(format!(
                "the Secret with the seed of `{}` is not among them, for its spec has secrets: give --with-secrets and --out",
                vm.name()
            ));
            continue;
        }
        let secrets = if vm.has_secrets() {
            render::secrets(program, spec)?
        } else {
            SecretMap::default()
        };
        let input = SeedInput {
            vm,
            secrets: &secrets,
            host_key: None,
            login_key: None,
        };
        let wrong = |why: String| {
            Failure::new(
                Exit::Spec,
                format!("failed to make the seed of `{}`: {why}", vm.name()),
            )
        };
        let seed = Seed::render(&input).map_err(|error| wrong(error.to_string()))?;
        let secret = kubevirt::seed_secret(vm, &seed, &options);
        objects.push(secret.map_err(|problem| wrong(problem.to_string()))?);
    }
    Ok(objects)
}

fn tell(program: &Program, notices: &[Notice]) {
    for notice in notices {
        program.ui.warn(notice);
    }
}

/// All that is wrong, shown; the failure says how much that is.
fn refused(program: &Program, all: &[Refused]) -> Failure {
    for one in all {
        let name = if one.name.is_empty() {
            String::new()
        } else {
            format!("`{}`: ", one.name)
        };
        let label = program.ui.paint_err("31;1", "error");
        let hint = one
            .problem
            .hint
            .as_ref()
            .map(|hint| format!("\n  hint: {hint}"));
        program.ui.always(format!(
            "{label}: {name}{}{}",
            one.problem,
            hint.unwrap_or_default()
        ));
    }
    let count = all.len();
    let message = format!("{count} problems; nothing was rendered");
    Failure::new(
        Exit::Spec,
        message.replacen("1 problems", "1 problem", usize::from(count == 1)),
    )
}

/// A file for each object, numbered: `kubectl apply --filename FOLDER` takes them in that order.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path, form: Output, objects: &[Value]) -> Result<(), Failure> {
    trustnet_host::paths::private_dir(folder)?;
    let ending = if form == Output::Json { "json" } else { "yaml" };
    for (number, object) in objects.iter().enumerate() {
        let name = ObjectName::of(object);
        let kind = name.kind.to_ascii_lowercase();
        let path = folder.join(format!("{number:02}-{kind}-{}.{ending}", name.name));
        let text = serialise(form, object)?;
        // A Secret is for the user only.
        trustnet_host::paths::write_private(&path, text.as_bytes()).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("failed to write `{}`: {error}", path.display()),
            )
        })?;
    }
    Ok(())
}
