//! What a service is asked once it is there: the ports, tests and diagnoses of its definition, with every value
//! filled in. A command stays a list of words: whatever a value holds, it is one word of it.

use trustnet_api::service::{Diagnosis, ServiceTest};

use super::names::Kind;
use super::{Escape, Instance, Scope, TemplateError, render, seconds};
use crate::provision::{HttpQuestion, http_check, port};

/// How long a test may take that says nothing about it, in seconds.
const TEST_LIMIT: u32 = 30;

/// A question to a service that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// What it shows.
    pub name: String,
    /// What is asked.
    pub ask: Ask,
    /// How long it may take, in seconds.
    pub limit_s: u32,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// An answer over HTTP, from a port inside the guest.
    Http(HttpQuestion),
    /// A port inside the guest that takes connections.
    Tcp {
        /// Where in the guest.
        host: String,
        /// The port.
        port: u16,
    },
    /// A command in the guest that ends with 0.
    Command {
        /// The command.
        command: Vec<String>,
        /// A text in its output.
        contains: Option<String>,
    },
}

/// Something that can be wrong with a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symptom {
    /// What is looked at.
    pub name: String,
    /// A command that ends with 0 where all is well.
    pub command: Vec<String>,
    /// What is wrong where it does not.
    pub problem: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// A command that mends it; empty where none does.
    pub fix: Vec<String>,
}

/// Something of a definition by its name, or why its values cannot be filled in.
pub type Named<T> = (String, Result<T, TemplateError>);

impl Instance {
    /// The tests of the definition.
    #[must_use]
    pub fn tests(&self, scope: &Scope) -> Vec<Named<Test>> {
        let tests = self.definition.spec().tests.iter();
        tests
            .map(|test| (test.name.clone(), filled_test(test, scope)))
            .collect()
    }

    /// What the definition can say of what is wrong.
    #[must_use]
    pub fn symptoms(&self, scope: &Scope) -> Vec<Named<Symptom>> {
        let all = self.definition.spec().diagnose.iter();
        all.map(|one| (one.name.clone(), filled_symptom(one, scope)))
            .collect()
    }

    /// The ports on which the service takes connections.
    #[must_use]
    pub fn listens(&self, scope: &Scope) -> Vec<Named<u16>> {
        let ports = self.definition.spec().ports.iter();
        ports
            .filter(|one| one.is_tcp())
            .map(|one| (one.name.clone(), port(&one.port.to_string(), scope)))
            .collect()
    }

    /// The names of the unit under systemd and under OpenRC, if the service has one.
    ///
    /// # Errors
    /// A template cannot be filled.
    pub fn unit_names(&self, scope: &Scope) -> Result<Option<(String, String)>, TemplateError> {
        let Some(unit) = &self.definition.spec().unit else {
            return Ok(None);
        };
        let own = self.name();
        let name = whole(unit.name.as_deref().unwrap_or(own), scope)?;
        let openrc = match &unit.openrc_name {
            Some(openrc) => whole(openrc, scope)?,
            None => name.clone(),
        };
        for (field, name) in [("name", &name), ("openrcName", &openrc)] {
            if let Some(why) = Kind::Unit.refuse(name) {
                return Err(TemplateError::new(format!("`spec.unit.{field}`: {why}")));
            }
        }
        Ok(Some((name, openrc)))
    }
}

fn filled_test(test: &ServiceTest, scope: &Scope) -> Result<Test, TemplateError> {
    let ask = if let Some(http) = &test.http {
        Ask::Http(http_check(http, scope)?)
    } else if let Some(tcp) = &test.tcp {
        Ask::Tcp {
            host: scope.address.clone(),
            port: port(&tcp.port.to_string(), scope)?,
        }
    } else {
        let contains = test.contains.as_deref();
        Ask::Command {
            command: all(&test.command, scope)?,
            contains: contains.map(|text| whole(text, scope)).transpose()?,
        }
    };
    Ok(Test {
        name: test.name.clone(),
        ask,
        limit_s: test
            .timeout
            .as_deref()
            .and_then(seconds)
            .unwrap_or(TEST_LIMIT),
    })
}

fn filled_symptom(one: &Diagnosis, scope: &Scope) -> Result<Symptom, TemplateError> {
    Ok(Symptom {
        name: one.name.clone(),
        command: all(&one.command, scope)?,
        problem: one.problem.clone(),
        hint: one
            .hint
            .as_ref()
            .map(|hint| hint.replace("NAME", &scope.vm)),
        fix: all(&one.fix, scope)?,
    })
}

fn whole(template: &str, scope: &Scope) -> Result<String, TemplateError> {
    render(template, scope, Escape::Whole)
}

fn all(templates: &[String], scope: &Scope) -> Result<Vec<String>, TemplateError> {
    templates.iter().map(|text| whole(text, scope)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Ask, HttpQuestion, Symptom, Test};
    use crate::artifact::Arch;
    use crate::load::load_services;
    use crate::service::{Catalogue, Definition, Instance, Origin, select};

    const TOOL: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: tool }
spec:
  version: "1.0"
  parameters:
    port: { type: port, default: 7000 }
    word: { type: string, default: plain }
  secrets: { key: {} }
  unit: { name: "tool@{{ params.word }}", command: [/bin/tool] }
  ports: [{ name: http, port: "{{ params.port }}" }]
  tests:
    - { name: asks, command: [tool, "{{ params.word }}", "--{{ params.word }}"], contains: "{{ params.word }}", timeout: 5s }
    - { name: page, http: { port: "{{ params.port }}", path: /x } }
    - { name: port, tcp: { port: 9 } }
    - { name: leaks, command: [echo, "{{ secrets.key }}"] }
  diagnose:
    - { name: well, command: ["false"], problem: it is ill, hint: ask NAME, fix: [heal, "{{ params.word }}"] }
"#;

    fn tool(word: &str) -> Instance {
        let (documents, problems) = load_services(TOOL.as_bytes());
        assert_eq!(problems, []);
        let mut catalogue = Catalogue::default();
        for document in documents {
            let (definition, _) =
                Definition::new(document.object, Origin::BuiltIn).expect("it keeps the rules");
            catalogue.add(definition);
        }
        let asked = serde_json::json!([{ "name": "tool", "config": { "word": word } }]);
        let asked: Vec<_> = serde_json::from_value(asked).expect("references");
        select(&asked, &catalogue).expect("valid").remove(0)
    }

    #[test]
    fn a_hostile_value_stays_one_word_of_a_command() {
        for word in ["'; rm -rf /", "$(id) `id`", "ü🦀", "{{ version }}", "-n"] {
            let tool = tool(word);
            let scope = tool.scope("web", "1.0", Arch::Amd64);
            let tests = tool.tests(&scope);
            let asks = Test {
                name: "asks".to_owned(),
                ask: Ask::Command {
                    command: vec!["tool".into(), word.into(), format!("--{word}")],
                    contains: Some(word.to_owned()),
                },
                limit_s: 5,
            };
            assert_eq!(tests[0], ("asks".to_owned(), Ok(asks)));
            let symptom = Symptom {
                name: "well".to_owned(),
                command: vec!["false".to_owned()],
                problem: "it is ill".to_owned(),
                hint: Some("ask web".to_owned()),
                fix: vec!["heal".to_owned(), word.to_owned()],
            };
            assert_eq!(tool.symptoms(&scope), [("well".to_owned(), Ok(symptom))]);
        }
    }

    #[test]
    fn ports_and_limits_are_filled_in_and_no_secret_is_reached() {
        let tool = tool("plain");
        let scope = tool.scope("web", "1.0", Arch::Amd64);
        let tests = tool.tests(&scope);
        let page = tests[1].1.clone().expect("a test");
        assert_eq!(page.limit_s, 30);
        let http = Ask::Http(HttpQuestion {
            host: "localhost".to_owned(),
            port: 7000,
            path: "/x".to_owned(),
            status: None,
            contains: None,
        });
        assert_eq!(page.ask, http);
        assert_eq!(
            tests[2].1.as_ref().map(|test| &test.ask),
            Ok(&Ask::Tcp {
                host: "localhost".to_owned(),
                port: 9
            })
        );
        assert!(
            tests[3].1.is_err(),
            "a secret does not stand in an argument"
        );
        assert_eq!(tool.listens(&scope), [("http".to_owned(), Ok(7000))]);
        let unit = ("tool@plain".to_owned(), "tool@plain".to_owned());
        assert_eq!(tool.unit_names(&scope), Ok(Some(unit)));
    }
}
