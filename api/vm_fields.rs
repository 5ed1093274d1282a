//! The spec of a VM in which nothing has to stand.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::vm::VirtualMachineSpec;

/// Fields of a [`VirtualMachineSpec`], none of which has to be there: the rest is filled in by the kind that they
/// stand in. Inline secrets may stand in it, so nothing prints or serialises it.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(transparent)]
pub struct VmFields(pub Map<String, Value>);

impl fmt::Debug for VmFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl JsonSchema for VmFields {
    fn schema_name() -> Cow<'static, str> {
        "VmFields".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = VirtualMachineSpec::json_schema(generator);
        schema.remove("required");
        // Who depends on whom is said once, beside these fields.
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.remove("dependsOn");
        }
        schema
    }
}
