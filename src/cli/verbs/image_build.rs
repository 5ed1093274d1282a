//! `image build`: an image from a recipe.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use trustnet_core::load;
use trustnet_core::problem::Problem;
use trustnet_core::recipe::{Mirrors, Recipe, builtin, builtin_names, check_mirror};
use trustnet_host::build::{BuildError, Builder, Source, Wanted, read_overlay};
use trustnet_host::cache::download::{DownloadError, Http, Limits, Watch};
use trustnet_host::error::chain;
use trustnet_host::interrupt::Interrupt;

use super::cache::print;
use super::image;
use crate::args::ImageBuild;
use crate::failure::{Exit, Failure};
use crate::{Program, problems, specs};

/// The file of a recipe's folder.
const FILE: &str = "recipe.yaml";

/// Builds the image, where that is not done yet.
///
/// # Errors
/// Something is wrong with the recipe, a tool is missing, or the build fails.
pub fn run(program: &Program, args: &ImageBuild) -> Result<Exit, Failure> {
    let (recipe, source) = read(program, &args.recipe)?;
    let interrupt = crate::interruption()?;
    let http =
        Http::new(Limits::default()).map_err(|error| Failure::new(Exit::Storage, chain(&error)))?;
    let builder = Builder {
        folder: &program.env.paths()?.cache.join("images"),
        temporary: &std::env::temp_dir(),
        from: &http,
        watch: &Interrupted(&interrupt),
        hear: &|line| hear(program, line),
    };
    let wanted = Wanted {
        recipe: &recipe,
        source: &source,
        mirrors: mirrors(program, args, &recipe)?,
        offline: args.offline,
        force: args.force,
    };
    let built = builder.build(&wanted).map_err(failure)?;
    if let Some(to) = &args.to {
        copy(&built.path, to)?;
    }
    if let Some(pool) = &args.pool {
        return image::take_build(program, pool, recipe.name(), &built.path);
    }
    let path = args.to.as_ref().unwrap_or(&built.path);
    let result = if built.new { "built" } else { "unchanged" };
    let value =
        json!({ "kind": "ImageBuild", "result": result, "name": recipe.name(), "path": path });
    print(program, &value, || format!("{}\n", path.display()))?;
    Ok(Exit::Done)
}

/// The recipe of that name, or in that folder. A bare name is the program's own, unless no such recipe is there.
fn read(program: &Program, wanted: &Path) -> Result<(Recipe, Source), Failure> {
    let bare = wanted.components().count() == 1 && !wanted.is_absolute();
    let named = wanted.to_str().filter(|_| bare).and_then(builtin);
    if let Some(known) = named {
        let source = Source {
            recipe: known.text.as_bytes().to_vec(),
            overlay: known.overlay(),
        };
        return Ok((checked(program, known.name, &source.recipe)?, source));
    }
    if !wanted.is_dir() {
        let message = format!("there is no recipe `{}`", wanted.display());
        let names: Vec<String> = builtin_names().map(|name| format!("`{name}`")).collect();
        return Err(Failure::new(Exit::Usage, message).hint(format!(
            "a folder with a `{FILE}`, or one of the program's own: {}",
            names.join(", ")
        )));
    }
    let (name, recipe, _) = specs::read(&wanted.join(FILE))?;
    let recipe_read = checked(program, &name, &recipe)?;
    let overlay = read_overlay(&wanted.join("root"))?;
    Ok((recipe_read, Source { recipe, overlay }))
}

fn checked(program: &Program, name: &str, bytes: &[u8]) -> Result<Recipe, Failure> {
    let (mut documents, mut all) = load::load_recipes(bytes);
    if documents.len() > 1 {
        let message = format!("`{name}` holds more than one recipe");
        return Err(Failure::new(Exit::Spec, message).hint("put each into a folder of its own"));
    }
    let read = documents.pop().map(|document| {
        Recipe::new(document.object.clone()).map_err(|problems| {
            all.extend(problems.into_iter().map(|problem| document.place(problem)));
        })
    });
    if read.is_none() && all.is_empty() {
        all.push(Problem::error("", "there is no recipe in it"));
    }
    let errors = problems::show_all(program, name, bytes, all);
    match read {
        Some(Ok(recipe)) if errors == 0 => Ok(recipe),
        _ => {
            let message = format!("`{name}` cannot be built from");
            Err(Failure::new(Exit::Spec, message))
        }
    }
}

/// Where packages come from: said with a flag, in the environment, by the recipe.
fn mirrors(program: &Program, args: &ImageBuild, recipe: &Recipe) -> Result<Mirrors, Failure> {
    let own = recipe.mirrors();
    let said = |flag: Option<&String>, variable: &str, own: String| {
        let url = flag.cloned().or_else(|| program.env.text(variable));
        let url = url.unwrap_or(own);
        match check_mirror(&url) {
            Ok(()) => Ok(url),
            Err(why) => Err(Failure::new(Exit::Usage, why)),
        }
    };
    Ok(Mirrors {
        archive: said(args.mirror.as_ref(), "TRUSTNET_VM_MIRROR", own.archive)?,
        security: said(
            args.security_mirror.as_ref(),
            "TRUSTNET_VM_SECURITY_MIRROR",
            own.security,
        )?,
    })
}

/// The script's own lines are told; those of the tools below it to who wants to hear more.
fn hear(program: &Program, line: &str) {
    match line.strip_prefix("image: ") {
        Some(line) => program.ui.say(line),
        None if program.ui.verbose() => program.ui.say(line),
        None => {}
    }
}

/// Copies beside the file's place and then to it: it is there whole, or as it was.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let copied = fs::copy(from, &part).and_then(|_| fs::rename(&part, to));
    copied.map_err(|error| {
        // It may not have been made.
        let _ = fs::remove_file(&part);
        Failure::new(
            Exit::Storage,
            format!("failed to write `{}`: {error}", to.display()),
        )
    })
}

struct Interrupted<'a>(&'a Interrupt);

impl Watch for Interrupted<'_> {
    fn stopped(&self) -> bool {
        self.0.stop()
    }
}

fn failure(error: BuildError) -> Failure {
    let exit = match &error {
        BuildError::Stopped
        | BuildError::Archive {
            source: DownloadError::Stopped { .. },
            ..
        } => Exit::Interrupted,
        _ => Exit::Storage,
    };
    let hint = error.hint();
    let failure = match error {
        BuildError::Host(error) => error.into(),
        error => Failure::new(exit, chain(&error)),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
