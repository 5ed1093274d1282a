//! Looking versions up.

use std::fmt::Write as _;

use trustnet_core::version::Request;

use super::limits;
use super::server::{Server, answer};
use crate::cache::download::Http;
use crate::cache::versions::{VersionList, look_up};

fn server() -> Server {
    Server::start_tls(|hit, out| match hit.path.as_str() {
        "/stable.txt" => answer(out, "200 OK", &[], b"v1.31.2\n"),
        "/index" => answer(
            out,
            "200 OK",
            &[],
            b"<a href='/t/1.9.8/'>t_1.9.8</a><a href='/t/1.10.0-rc1/'>x</a>",
        ),
        "/odd" => answer(out, "200 OK", &[], b"<html>not today</html>"),
        path => {
            let releases = match path {
                "/releases?per_page=100&page=1" => (0..100).fold(String::new(), |mut text, minor| {
                    let _ = write!(text, r#"{{"tag_name": "v3.{minor}.0"}},"#);
                    text
                }) ,
                "/releases?per_page=100&page=2" => r#"
                    {"tag_name": "v2.9.0", "draft": true}, {"tag_name": "v2.8.0", "prerelease": true},
                    {"tag_name": "v2.7.0-rc.1", "prerelease": true}, {"tag_name": "v2.6.1"}, {"tag_name": "v2.6.0"},"#.to_owned(),
                _ => return answer(out, "404 Not Found", &[], b""),
            };
            let list = format!("[{}]", releases.trim_end_matches(','));
            answer(out, "200 OK", &[], list.as_bytes())
        }
    })
}

#[test]
fn a_version_is_found_in_a_text_among_releases_and_in_a_page() {
    let server = server();
    let http = Http::direct(limits(), server.authority.as_deref());
    let text = VersionList::Text {
        url: server.url("/stable.txt"),
    };
    let releases = VersionList::Releases {
        url: server.url("/releases"),
    };
    let page = VersionList::Page {
        url: server.url("/index"),
        pattern: Some("/t/*/".to_owned()),
    };
    let odd = |list: &dyn Fn(String) -> VersionList| list(server.url("/odd"));
    for (list, wanted, found) in [
        (text.clone(), "latest", Some("v1.31.2")),
        (text.clone(), "~1.31", Some("v1.31.2")),
        (text, "~1.30", None),
        (releases.clone(), "latest", Some("v3.99.0")),
        (releases.clone(), "~2", Some("v2.6.1")),
        (releases.clone(), "2.7.0-rc.1", Some("v2.7.0-rc.1")),
        (releases, "~1", None),
        (page.clone(), "latest", Some("1.9.8")),
        (page, "1.10.0-rc1", Some("1.10.0-rc1")),
        (odd(&|url| VersionList::Text { url }), "latest", None),
        (odd(&|url| VersionList::Releases { url }), "latest", None),
        (
            odd(&|url| VersionList::Page { url, pattern: None }),
            "latest",
            None,
        ),
    ] {
        let request = Request::parse(wanted).expect(wanted);
        let version = look_up(&http, &list, &request, &());
        assert_eq!(
            version.as_deref().ok(),
            found,
            "{list:?} {wanted}: {version:?}"
        );
    }
    let plain = VersionList::Text {
        url: server.url("/stable.txt").replace("https", "http"),
    };
    let hits = server.hits().len();
    look_up(
        &http,
        &plain,
        &Request::parse("latest").expect("a request"),
        &(),
    )
    .expect_err("refused");
    assert_eq!(server.hits().len(), hits);
}
