//! Examinations as JUnit XML, as the readers of continuous integration take it: a suite a VM, a test case a
//! question. Whatever a guest has said, the document is well-formed.

use super::{Case, Examination, Verdict};
use crate::readiness::clean;
use crate::xml;

/// Examinations as JUnit XML.
#[must_use]
pub fn junit(all: &[Examination]) -> String {
    xml::suites(
        &all.iter()
            .map(|one| xml::Suite {
                name: clean(&one.name),
                cases: one
                    .groups
                    .iter()
                    .flat_map(|group| {
                        let class = clean(&format!("{}.{}", one.name, group.name));
                        group.tests.iter().map(move |test| case(&class, test))
                    })
                    .collect(),
            })
            .collect::<Vec<_>>(),
    )
}

fn case(class: &str, test: &Case) -> xml::SuiteCase {
    let (kind, why) = match &test.verdict {
        Verdict::Passed => (None, String::new()),
        Verdict::Failed(why) => (Some("failure"), lines(why)),
        Verdict::Skipped(why) => (Some("skipped"), lines(why)),
    };
    xml::SuiteCase {
        class: class.to_owned(),
        name: clean(&test.name),
        seconds: test.seconds,
        ended: kind.map(|kind| (kind, why)),
        output: test
            .output
            .iter()
            .map(|line| clean(line))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

fn lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::junit;
    use crate::examination::{Case, Examination, Group, Verdict};

    #[test]
    fn a_report_is_well_formed_whatever_was_said() {
        let failed = Verdict::Failed("]]> <&\"' \u{0}\u{1b}[31m\u{fffe}\n]]>".to_owned());
        let said = vec![
            "a\u{7}b ]]> </system-out> & \u{ffff}".to_owned(),
            "ü🦀".to_owned(),
        ];
        let tests = vec![
            Case::new("runs", Verdict::Passed).took(0.25),
            Case::new("\"<odd>\"\n&", failed).said(said),
            Case::new("later", Verdict::Skipped("no SSH".to_owned())),
        ];
        let group = Group {
            name: "sql".to_owned(),
            version: None,
            tests,
        };
        let text = junit(&[Examination::new("web", vec![group])]);
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<testsuites tests=\"3\" failures=\"1\" skipped=\"1\">\n\
\x20 <testsuite name=\"web\" tests=\"3\" failures=\"1\" skipped=\"1\" errors=\"0\" time=\"0.250\">\n\
\x20   <testcase classname=\"web.sql\" name=\"runs\" time=\"0.250\"/>\n\
\x20   <testcase classname=\"web.sql\" name=\"&quot;&lt;odd&gt;&quot; &amp;\" time=\"0.000\">\n\
\x20     <failure message=\"]]&gt; &lt;&amp;&quot;&apos;\">]]&gt; &lt;&amp;&quot;&apos; \n]]&gt;</failure>\n\
\x20     <system-out>ab ]]&gt; &lt;/system-out&gt; &amp; \nü🦀</system-out>\n\
\x20   </testcase>\n\
\x20   <testcase classname=\"web.sql\" name=\"later\" time=\"0.000\">\n\
\x20     <skipped message=\"no SSH\">no SSH</skipped>\n\
\x20   </testcase>\n\
\x20 </testsuite>\n\
</testsuites>\n"
        );
        let mut reader = quick_xml::Reader::from_str(&text);
        while reader.read_event().expect("well-formed") != quick_xml::events::Event::Eof {}
    }
}
