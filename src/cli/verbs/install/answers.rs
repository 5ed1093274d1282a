//! What was answered by flags and a file.

use std::path::Path;

use trustnet_api::dns::DnsSection;
use trustnet_api::install::InstallSpec;
use trustnet_core::install;
use trustnet_core::load;

use crate::args::Install;
use crate::failure::{Exit, Failure};
use crate::{Program, keeper, problems, specs};

/// What flags say over what a file says.
///
/// # Errors
/// The file cannot be read, or something is wrong in it; all problems have been shown then.
pub fn gather(program: &Program, args: &Install) -> Result<InstallSpec, Failure> {
    let mut file = match &args.answers {
        Some(path) => read(program, path)?,
        None => InstallSpec::default(),
    };
    let mut said = args.said();
    if let Some(path) = &mut said.join_token_file {
        *path = absolute(Path::new("."), path)?;
    }
    let beneath = match file.dns.take() {
        Some(section) => Some(section),
        None => keeper::configured(&program.env)?,
    };
    let mut section = args.keeper.section(beneath.as_ref());
    keeper::rooted(&mut section, Path::new(&absolute(Path::new("."), "")?));
    said.dns = (section != DnsSection::default()).then_some(section);
    Ok(install::merged(said, file))
}

fn read(program: &Program, path: &Path) -> Result<InstallSpec, Failure> {
    let (source, bytes, folder) = specs::read(path)?;
    let (mut documents, mut found) = load::load_installs(&bytes);
    for document in &documents {
        let more = install::check(&document.object).into_iter();
        found.extend(more.map(|problem| document.place(problem)));
    }
    let count = documents.len();
    let errors = problems::show_all(program, &source, &bytes, found);
    if errors > 0 {
        let message = format!("{errors} problems in the answers; nothing was done");
        let message = message.replace("1 problems", "1 problem");
        return Err(Failure::new(Exit::Spec, message));
    }
    let Some(document) = documents.pop().filter(|_| count == 1) else {
        let message = format!("{count} documents in {source} where one belongs");
        return Err(Failure::new(Exit::Spec, message)
            .hint("`kind: Install` is one installation; run the others by themselves"));
    };
    let mut spec = document.object.spec;
    if let Some(path) = &mut spec.join_token_file {
        *path = absolute(&folder, path)?;
    }
    if let Some(section) = &mut spec.dns {
        let folder = absolute(&folder, "")?;
        keeper::rooted(section, Path::new(&folder));
    }
    Ok(spec)
}

/// A path that means the same from everywhere.
///
/// # Errors
/// The folder of the process is gone.
pub fn absolute(folder: &Path, path: &str) -> Result<String, Failure> {
    let absolute = std::path::absolute(folder.join(path));
    let absolute = absolute.map_err(|error| specs::unreadable(Path::new(path), &error))?;
    Ok(absolute.to_string_lossy().into_owned())
}
