//! Test suites as JUnit XML: <https://github.com/testmoapp/junitxml> describes what its readers take.

use std::io;

use quick_xml::events::{BytesDecl, Event};

use super::{Xml, document, empty, nest, text};

/// A suite.
pub(crate) struct Suite {
    pub name: String,
    pub cases: Vec<SuiteCase>,
}

/// A test case.
pub(crate) struct SuiteCase {
    pub class: String,
    pub name: String,
    pub seconds: f64,
    /// `failure` or `skipped`, and why; none where it passed.
    pub ended: Option<(&'static str, String)>,
    pub output: String,
}

/// The document.
pub(crate) fn suites(all: &[Suite]) -> String {
    let cases = || all.iter().flat_map(|suite| &suite.cases);
    document(|w| {
        let declaration = BytesDecl::new("1.0", Some("UTF-8"), None);
        w.write_event(Event::Decl(declaration))?;
        let attributes = [
            ("tests", cases().count().to_string()),
            ("failures", count(cases(), "failure")),
            ("skipped", count(cases(), "skipped")),
        ];
        nest(w, "testsuites", &borrowed(&attributes), |w| {
            all.iter().try_for_each(|one| suite(w, one))
        })
    })
}

fn suite(w: &mut Xml, suite: &Suite) -> io::Result<()> {
    let seconds: f64 = suite.cases.iter().map(|case| case.seconds).sum();
    let attributes = [
        ("name", harmless(&suite.name)),
        ("tests", suite.cases.len().to_string()),
        ("failures", count(suite.cases.iter(), "failure")),
        ("skipped", count(suite.cases.iter(), "skipped")),
        ("errors", "0".to_owned()),
        ("time", format!("{seconds:.3}")),
    ];
    nest(w, "testsuite", &borrowed(&attributes), |w| {
        suite.cases.iter().try_for_each(|one| case(w, one))
    })
}

fn case(w: &mut Xml, case: &SuiteCase) -> io::Result<()> {
    let attributes = [
        ("classname", harmless(&case.class)),
        ("name", harmless(&case.name)),
        ("time", format!("{:.3}", case.seconds)),
    ];
    let attributes = borrowed(&attributes);
    if case.ended.is_none() && case.output.is_empty() {
        return empty(w, "testcase", &attributes);
    }
    nest(w, "testcase", &attributes, |w| {
        if let Some((kind, why)) = &case.ended {
            let why = harmless(why);
            let first = why.lines().next().unwrap_or_default().trim_end().to_owned();
            text(w, kind, &[("message", &first)], &why)?;
        }
        if !case.output.is_empty() {
            text(w, "system-out", &[], &harmless(&case.output))?;
        }
        Ok(())
    })
}

fn count<'a>(cases: impl Iterator<Item = &'a SuiteCase>, kind: &str) -> String {
    let ended = cases.filter(|case| case.ended.as_ref().is_some_and(|(ended, _)| *ended == kind));
    ended.count().to_string()
}

fn borrowed<'a>(attributes: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    let all = attributes.iter();
    all.map(|(name, value)| (*name, value.as_str())).collect()
}

/// Without what XML 1.0 cannot hold in any form: <https://www.w3.org/TR/xml/#charsets>.
fn harmless(text: &str) -> String {
    let good = |c: &char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(good).collect()
}
