//! What is found out before anything is decided.

use trustnet_api::install::InstallSpec;
use trustnet_core::install::{Found, Tnr};
use trustnet_host::secrets;

use crate::Program;
use crate::failure::Failure;

/// Who looks around.
pub struct Scout<'a> {
    /// The program.
    pub program: &'a Program,
}

impl Scout<'_> {
    /// What there is for these answers.
    ///
    /// # Errors
    /// The user has no home.
    pub fn look(&self, answers: &InstallSpec) -> Result<Found, Failure> {
        let Some(domain) = &answers.domain else {
            return Ok(Found::default());
        };
        let paths = self.program.env.paths()?;
        Ok(Found {
            tnr: Tnr::NotAsked,
            token: secrets::has_join_token(paths, domain),
            ..Found::default()
        })
    }
}
