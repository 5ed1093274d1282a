//! Looking versions up where publishers list them.

use serde::Deserialize;
use trustnet_core::version::{Request as Wanted, in_page};

use super::download::{DownloadError, Fetch, Request, Watch};
use super::error::CacheError;

/// The longest list of versions.
const LIST: u64 = 16 << 20;

/// The most pages of releases that are read.
const PAGES: u32 = 10;

/// How many releases there are in a page; no more can be asked for.
const PER_PAGE: usize = 100;

/// Where versions are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionList {
    /// A text that is the latest version, and nothing else.
    Text {
        /// Its URL.
        url: String,
    },
    /// Releases, as GitHub's API lists them, newest first.
    Releases {
        /// The URL of the list, without a query.
        url: String,
    },
    /// A page, be it HTML or JSON, in which versions stand.
    Page {
        /// Its URL.
        url: String,
        /// Where versions stand in it: a text with a star, such as `terraform_*/`. Without, whatever has three
        /// numbers is one.
        pattern: Option<String>,
    },
}

/// A release, as far as it matters.
#[derive(Debug, Deserialize)]
struct Release {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
}

impl VersionList {
    /// The releases of a repository of GitHub, `owner/name`.
    #[must_use]
    pub fn github(repository: &str) -> Self {
        Self::Releases {
            url: format!("https://api.github.com/repos/{repository}/releases"),
        }
    }

    fn url(&self) -> &str {
        match self {
            Self::Text { url } | Self::Releases { url } | Self::Page { url, .. } => url,
        }
    }
}

/// The version that is asked for, as its publisher writes it. What is looked up is not signed; what is fetched in that
/// version is verified.
///
/// # Errors
/// The list is not to be had over https, or has no such version.
pub fn look_up(
    from: &dyn Fetch,
    list: &VersionList,
    wanted: &Wanted,
    watch: &dyn Watch,
) -> Result<String, CacheError> {
    let url = list.url();
    if !url.starts_with("https://") {
        return Err(CacheError::Download(DownloadError::Url {
            url: url.to_owned(),
            why: "versions are looked up over https only",
        }));
    }
    let none = |why: &str| CacheError::Version {
        request: wanted.to_string(),
        url: url.to_owned(),
        why: why.to_owned(),
    };
    let text = |request: &Request| -> Result<String, CacheError> {
        let bytes = from.document(request, LIST, watch)?;
        String::from_utf8(bytes).map_err(|_| none("it is no text"))
    };
    match list {
        VersionList::Text { url } => {
            let text = text(&Request::new(url))?;
            let version = text.trim();
            if version.contains(char::is_whitespace) {
                return Err(none("it is no version"));
            }
            wanted.choose([version]).map(str::to_owned)
        }
        VersionList::Page { url, pattern } => {
            let text = text(&Request::new(url))?;
            wanted
                .choose(in_page(&text, pattern.as_deref()))
                .map(str::to_owned)
        }
        VersionList::Releases { url } => {
            let page = |number: u32| -> Result<Vec<Release>, CacheError> {
                let request = Request::new(format!("{url}?per_page={PER_PAGE}&page={number}"))
                    .header("Accept", "application/vnd.github+json");
                serde_json::from_str(&text(&request)?)
                    .map_err(|_| none("it is no list of releases"))
            };
            among_releases(page, wanted)?
        }
    }
    .ok_or_else(|| none("there is none"))
}

/// Reads on until a page has what is wanted: the newest releases come first, so older lines are further behind.
fn among_releases(
    page: impl Fn(u32) -> Result<Vec<Release>, CacheError>,
    wanted: &Wanted,
) -> Result<Option<String>, CacheError> {
    for number in 1..=PAGES {
        let mut releases = page(number)?;
        let last = releases.len() < PER_PAGE;
        // What is called a pre-release without a name that says so is none to choose.
        releases.retain(|release| {
            let says_so = trustnet_core::version::Version::parse(&release.tag_name)
                .is_some_and(|version| version.is_pre_release());
            !release.draft && (!release.prerelease || says_so)
        });
        let tags = releases.iter().map(|release| release.tag_name.as_str());
        if let Some(version) = wanted.choose(tags) {
            return Ok(Some(version.to_owned()));
        }
        if last {
            break;
        }
    }
    Ok(None)
}
