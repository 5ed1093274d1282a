//! The images that can be pulled by name: those that the program knows, and the user's own.

use std::path::PathBuf;

use trustnet_core::image::catalogue::Catalogue;
use trustnet_core::load;
use trustnet_core::problem::Problem;
use trustnet_core::service::Origin;

use crate::Program;
use crate::catalogue::yaml_files;
use crate::failure::{Exit, Failure};
use crate::{problems, specs};

impl Program {
    /// The catalogue of images; those of the user's own catalogues come before the program's of the same name, version
    /// and architecture.
    ///
    /// # Errors
    /// Something is wrong with a catalogue of the user's; all problems have been shown then.
    pub fn image_catalogue(&self) -> Result<Catalogue, Failure> {
        let mut catalogue = Catalogue::builtin();
        let mut errors = 0;
        for path in self.image_catalogue_files()? {
            let (source, bytes, _) = specs::read(&path)?;
            let (documents, mut all) = load::load_image_catalogues(&bytes);
            if documents.is_empty() && all.is_empty() {
                all.push(Problem::error("", "there is no catalogue in it"));
            }
            let origin = Origin::File(source.clone());
            for document in documents {
                if let Err(problems) = catalogue.add(document.object.clone(), &origin) {
                    all.extend(problems.into_iter().map(|problem| document.place(problem)));
                }
            }
            errors += problems::show_all(self, &source, &bytes, all);
        }
        if errors == 0 {
            return Ok(catalogue);
        }
        let message = format!("{errors} problems in your own catalogues of images");
        let message = message.replacen("1 problems", "1 problem", usize::from(errors == 1));
        Err(Failure::new(Exit::Spec, message).hint("mend the file, or remove it"))
    }

    /// The files of the user's own catalogues, sorted.
    fn image_catalogue_files(&self) -> Result<Vec<PathBuf>, Failure> {
        match &self.env.paths {
            Some(paths) => yaml_files(&paths.config.join("catalogues")),
            None => Ok(Vec::new()),
        }
    }
}
