//! URLs as they may be shown.

use reqwest::Url;

/// A URL without a name and a password in it: what stands there is a secret, whether all of it is a URL or not.
#[must_use]
pub fn shown(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        // Where nobody knows what is its host, it may be before any `@`.
        return match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
            (None, Some((_, rest))) => format!("***@{rest}"),
            _ => url.to_owned(),
        };
    };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // It fails for a URL that can have neither.
    let hidden = parsed.set_password(None).and(parsed.set_username("***"));
    hidden.map_or_else(|()| String::new(), |()| parsed.to_string())
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn no_password_of_a_url_is_shown_be_it_one_or_not() {
        for (url, as_shown) in [
            (
                "https://example.org/a@1/b?c=d@e",
                "https://example.org/a@1/b?c=d@e",
            ),
            (
                "https://ada:secret@example.org/a",
                "https://***@example.org/a",
            ),
            ("ftp://ada:secret@example.org/a", "ftp://***@example.org/a"),
            ("https://token@example.org/a", "https://***@example.org/a"),
            (
                "https://ada:secret@example.org:99999/a",
                "https://***@example.org:99999/a",
            ),
            (
                "https://ada:sec/ret@example.org/a",
                "https://***@example.org/a",
            ),
            ("https://ada:se@cret@[::1/a", "https://***@[::1/a"),
            ("ada secret@example", "***@example"),
            ("not a url", "not a url"),
        ] {
            assert_eq!(shown(url), as_shown, "{url}");
        }
    }
}
