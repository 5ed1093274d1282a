//! The Secret with a network's join token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trustnet_api::secret::{SecretString, ValueFrom};

use super::{Options, TOKEN_KEY, names};
use crate::kind::JOIN_TOKEN;
use crate::problem::Problem;
use crate::service::Instance;
use crate::vm::{Vm, VmName};

/// A Secret with a network's join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSecret {
    /// What it is called.
    pub name: String,
    /// Where its value is from.
    pub from: ValueFrom,
    /// The VM whose secret it would be.
    pub vm: VmName,
    domain: String,
}

impl TokenSecret {
    /// The object, with the token itself in it.
    #[must_use]
    pub fn object(&self, token: &str, options: &Options) -> Value {
        let mut labels = names::common(&self.domain);
        labels.insert("app.kubernetes.io/component".into(), "join-token".into());
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name,
                "namespace": options.namespace,
                "labels": labels,
            },
            "type": "Opaque",
            // `stringData` does not go well with server-side apply.
            "data": { TOKEN_KEY: STANDARD.encode(token) },
        })
    }
}

/// The Secret of a workload's join token: named like what is kept on this machine, where that is it.
pub(super) fn token_of(vm: &Vm, instance: &Instance, domain: &str) -> Result<TokenSecret, Problem> {
    let path = "spec.services[0].secrets.joinToken";
    let Some(SecretString::ValueFrom(from)) = instance.wire.secrets.get(JOIN_TOKEN) else {
        return Err(Problem::error(
            path,
            "the join token is not given by reference",
        ));
    };
    let name = match from {
        ValueFrom::Generate(one) if names::is_subdomain(&one.name) => one.name.clone(),
        _ => names::bounded("join-token", domain),
    };
    Ok(TokenSecret {
        name,
        from: from.clone(),
        vm: vm.name().clone(),
        domain: domain.to_owned(),
    })
}

/// Another token may not have the same name.
pub(super) fn add_token(tokens: &mut Vec<TokenSecret>, token: TokenSecret) -> Option<Problem> {
    match tokens.iter().find(|one| one.name == token.name) {
        None => tokens.push(token),
        Some(one) if one.from == token.from => {}
        Some(one) => {
            let path = "spec.services[0].secrets.joinToken";
            let message = format!("`{}` has another join token, of the same network", one.vm);
            return Some(Problem::error(path, message).hint("a network has one"));
        }
    }
    None
}
