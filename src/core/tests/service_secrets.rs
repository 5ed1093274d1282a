//! What a VM says of a service's secrets is checked like any other secret.

use std::collections::BTreeMap;

use trustnet_api::secret::{Age, Generate, SecretString, ValueFrom};
use trustnet_api::service_ref::ServiceRef;
use trustnet_core::load::load_services;
use trustnet_core::service::{Catalogue, Definition, Origin, select};

const DEFINITION: &[u8] = b"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: shop }
spec:
  version: '1.0'
  secrets: { token: {}, key: {} }
";

fn problems(token: ValueFrom, key: ValueFrom) -> Vec<String> {
    let (documents, said) = load_services(DEFINITION);
    assert!(said.is_empty(), "{said:?}");
    let mut catalogue = Catalogue::default();
    for document in documents {
        let (definition, _) =
            Definition::new(document.object, Origin::BuiltIn).expect("it is good");
        catalogue.add(definition);
    }
    let secret = |name: &str, from| (name.to_owned(), SecretString::ValueFrom(from));
    let service = ServiceRef {
        name: "shop".to_owned(),
        secrets: BTreeMap::from([secret("token", token), secret("key", key)]),
        ..ServiceRef::default()
    };
    match select(&[service], &catalogue) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| problem.path).collect(),
    }
}

fn generate(name: &str) -> ValueFrom {
    ValueFrom::Generate(Generate {
        name: name.to_owned(),
        length: Some(16),
        alphabet: None,
        shared: None,
    })
}

#[test]
fn a_reference_to_a_services_secret_keeps_the_rules_of_references() {
    let age = |file: &str| {
        ValueFrom::Age(Age {
            file: file.to_owned(),
            identity: None,
        })
    };
    assert_eq!(problems(generate("shop.token"), age("key.age")), [""; 0]);
    assert_eq!(
        problems(generate("../../other"), age("")),
        [
            "spec.services[0].secrets.key.valueFrom.age.file",
            "spec.services[0].secrets.token.valueFrom.generate.name"
        ]
    );
}
