//! Text to wire types: every problem of a file at once, each with its place.

mod check;
mod configuration;
mod edit;
mod foundry;
mod places;
mod scalar;
mod text;
mod tree;
pub(crate) mod yaml;

use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use trustnet_api::image_catalogue::ImageCatalogue;
use trustnet_api::install::Install;
use trustnet_api::node::Node as NodeDocument;
use trustnet_api::recipe::ImageRecipe;
use trustnet_api::registry::Registry;
use trustnet_api::service::Service;
use trustnet_api::vm::VirtualMachine;
use trustnet_api::{FOUNDRY_V1ALPHA1, NODE, REGISTRY, TRUSTNET_V1ALPHA1, VIRTUAL_MACHINE};

use self::check::Checked;
pub use self::configuration::configuration;
pub use self::edit::{with_number, with_text};
use self::places::Places;
use self::tree::{Node, Value};
use crate::image::catalogue;
use crate::install;
use crate::kind::{self, Expansion, Origin, Siblings};
use crate::path;
use crate::problem::{Place, Problem, Severity};
use crate::recipe::Recipe;
use crate::service::Definition;
use crate::vm::Vm;

/// The most bytes that a file may have. Read one more at most: that is enough to refuse it.
pub const MAX_BYTES: usize = 1 << 20;

/// The most problems of a file that are told.
const MAX_PROBLEMS: usize = 100;

/// What is read: a kind of document.
struct Kind<T: 'static> {
    /// Its name, and those of other kinds that may stand in the same file.
    names: &'static [&'static str],
    api_versions: &'static [&'static str],
    schema: &'static LazyLock<Json>,
    /// What is wrong with a document of the right form.
    resolve: fn(&T) -> Vec<Problem>,
}

static VM_SCHEMA: LazyLock<Json> = LazyLock::new(trustnet_api::schema::virtual_machine_inline);
static SERVICE_SCHEMA: LazyLock<Json> = LazyLock::new(trustnet_api::schema::service_inline);
static IMAGE_CATALOGUE_SCHEMA: LazyLock<Json> =
    LazyLock::new(trustnet_api::schema::image_catalogue_inline);
static REGISTRY_SCHEMA: LazyLock<Json> = LazyLock::new(trustnet_api::schema::registry_inline);
static IMAGE_SCHEMA: LazyLock<Json> = LazyLock::new(trustnet_api::schema::image_inline);
static INSTALL_SCHEMA: LazyLock<Json> = LazyLock::new(trustnet_api::schema::install_inline);
static NODE_SCHEMA: LazyLock<Json> = LazyLock::new(trustnet_api::schema::node_inline);

/// The kinds that are VMs, or become some.
const MACHINES: &[&str] = &[VIRTUAL_MACHINE, REGISTRY, NODE];

const VM: Kind<VirtualMachine> = Kind {
    names: MACHINES,
    api_versions: &[TRUSTNET_V1ALPHA1, FOUNDRY_V1ALPHA1],
    schema: &VM_SCHEMA,
    resolve: |vm| Vm::resolve(vm).map_or_else(|errors| errors, |(_, warnings)| warnings),
};

const REGISTRIES: Kind<Registry> = Kind {
    names: MACHINES,
    api_versions: &[TRUSTNET_V1ALPHA1],
    schema: &REGISTRY_SCHEMA,
    resolve: |registry| kind::registry(registry, &Siblings::default()).all_problems(),
};

const NODES: Kind<NodeDocument> = Kind {
    names: MACHINES,
    api_versions: &[TRUSTNET_V1ALPHA1],
    schema: &NODE_SCHEMA,
    resolve: |node| kind::node(node, &Siblings::default()).all_problems(),
};

const SERVICE: Kind<Service> = Kind {
    names: &[trustnet_api::SERVICE],
    api_versions: &[TRUSTNET_V1ALPHA1],
    schema: &SERVICE_SCHEMA,
    resolve: |service| Definition::check(service),
};

const IMAGE_CATALOGUES: Kind<ImageCatalogue> = Kind {
    names: &[trustnet_api::IMAGE_CATALOGUE],
    api_versions: &[TRUSTNET_V1ALPHA1],
    schema: &IMAGE_CATALOGUE_SCHEMA,
    resolve: catalogue::check,
};

const IMAGE: Kind<ImageRecipe> = Kind {
    names: &[trustnet_api::IMAGE],
    api_versions: &[TRUSTNET_V1ALPHA1],
    schema: &IMAGE_SCHEMA,
    resolve: |recipe| Recipe::check(recipe),
};

const INSTALLS: Kind<Install> = Kind {
    names: &[trustnet_api::INSTALL],
    api_versions: &[TRUSTNET_V1ALPHA1],
    schema: &INSTALL_SCHEMA,
    resolve: install::check,
};

/// A document of a file: a virtual machine, a service's definition, a catalogue of images, or a recipe of one.
#[derive(Debug, Clone)]
pub struct Document<T = VirtualMachine> {
    /// What the user wrote; of a kind that becomes a VM, that VM.
    pub object: T,
    places: Places,
    /// Where the fields of what it became stood in what the user wrote.
    origin: Origin,
}

impl<T> Document<T> {
    /// The problem with the place of its field, or of the nearest field above it that is there.
    #[must_use]
    pub fn place(&self, problem: Problem) -> Problem {
        located(self.origin.original(problem), &self.places)
    }

    /// The place of a field, or of the nearest field above it that is there.
    #[must_use]
    pub fn place_of(&self, path: &str) -> Option<Place> {
        self.places.get(&self.origin.path(path))
    }
}

/// Reads the documents of a file; registries and nodes as the VMs that they become. Those in which there is an
/// error are among the problems only, with everything that is wrong with them, what [`Vm::resolve`] says included;
/// the warnings of the others are there too. Nothing that the bytes hold makes this panic or take long.
#[must_use]
pub fn load(bytes: &[u8]) -> (Vec<Document>, Vec<Problem>) {
    let (written, mut problems) = read(bytes, written);
    let registries = written.iter().filter_map(|document| match document {
        Written::Registry(registry) => Some(&registry.object),
        _ => None,
    });
    let siblings = Siblings::of(registries);
    let mut documents = Vec::new();
    for document in written {
        let (document, found) = document.become_vm(&siblings);
        documents.extend(document);
        problems.extend(found);
    }
    (documents, told(problems))
}

/// Reads the definitions of services of a file, as [`load`] reads VMs.
#[must_use]
pub fn load_services(bytes: &[u8]) -> (Vec<Document<Service>>, Vec<Problem>) {
    let (documents, problems) = read(bytes, |node, broken| document(node, broken, &SERVICE));
    (documents, told(problems))
}

/// Reads the catalogues of images of a file, as [`load`] reads VMs.
#[must_use]
pub fn load_image_catalogues(bytes: &[u8]) -> (Vec<Document<ImageCatalogue>>, Vec<Problem>) {
    let each = |node: &Node, broken| document(node, broken, &IMAGE_CATALOGUES);
    let (documents, problems) = read(bytes, each);
    (documents, told(problems))
}

/// Reads the recipes of images of a file, as [`load`] reads VMs.
#[must_use]
pub fn load_recipes(bytes: &[u8]) -> (Vec<Document<ImageRecipe>>, Vec<Problem>) {
    let (documents, problems) = read(bytes, |node, broken| document(node, broken, &IMAGE));
    (documents, told(problems))
}

/// Reads the answers of a file that `install` takes, as [`load`] reads VMs.
#[must_use]
pub fn load_installs(bytes: &[u8]) -> (Vec<Document<Install>>, Vec<Problem>) {
    let (documents, problems) = read(bytes, |node, broken| document(node, broken, &INSTALLS));
    (documents, told(problems))
}

/// A document of a file with VMs, as it was written.
enum Written {
    Vm(Box<Document>),
    Registry(Box<Document<Registry>>),
    Node(Box<Document<NodeDocument>>),
}

fn written(node: &Node, broken: bool) -> (Option<Written>, Vec<Problem>) {
    fn read<T: DeserializeOwned>(
        (node, broken): (&Node, bool),
        kind: &Kind<T>,
        wrap: fn(Box<Document<T>>) -> Written,
    ) -> (Option<Written>, Vec<Problem>) {
        let (document, problems) = document(node, broken, kind);
        (document.map(Box::new).map(wrap), problems)
    }
    match node.get("kind").and_then(Node::text) {
        Some(REGISTRY) => read((node, broken), &REGISTRIES, Written::Registry),
        Some(NODE) => read((node, broken), &NODES, Written::Node),
        _ => read((node, broken), &VM, Written::Vm),
    }
}

impl Written {
    /// The VM that it is or becomes, and what is wrong with that.
    fn become_vm(self, siblings: &Siblings) -> (Option<Document>, Vec<Problem>) {
        match self {
            Self::Vm(document) => (Some(*document), Vec::new()),
            Self::Registry(registry) => {
                let expansion = kind::registry(&registry.object, siblings);
                expanded(expansion, registry.places)
            }
            Self::Node(node) => expanded(kind::node(&node.object, siblings), node.places),
        }
    }
}

fn expanded(expansion: Expansion, places: Places) -> (Option<Document>, Vec<Problem>) {
    let refused = |problem: &Problem| problem.severity == Severity::Error;
    if expansion.problems.iter().any(refused) || expansion.vm.is_none() {
        let problems = expansion.all_problems().into_iter();
        let problems = problems.map(|problem| located(problem, &places));
        return (None, problems.collect());
    }
    let origin = expansion.origin;
    let document = expansion.vm.map(|object| Document {
        object,
        places,
        origin,
    });
    (document, Vec::new())
}

/// Reads each document of a file by `each`, which is told whether the file is broken as YAML already.
fn read<T>(
    bytes: &[u8],
    each: impl Fn(&Node, bool) -> (Option<T>, Vec<Problem>),
) -> (Vec<T>, Vec<Problem>) {
    let text = match text::decode(bytes) {
        Ok(text) => text,
        Err(problem) => return (Vec::new(), vec![problem]),
    };
    let (nodes, mut problems) = yaml::parse(text);
    let broken = !problems.is_empty();
    let mut documents = Vec::new();
    for node in nodes.iter().filter(|node| !node.is_null()) {
        let (document, found) = each(node, broken);
        documents.extend(document);
        problems.extend(found);
    }
    (documents, problems)
}

/// The problems in the order of the file, and not too many.
fn told(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.place.map_or(0, |place| place.offset));
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    if more > 0 {
        problems.truncate(MAX_PROBLEMS);
        problems.push(Problem::error(
            "",
            format!("there are {more} more problems"),
        ));
    }
    problems
}

/// `broken`: whether something is wrong with the file as YAML already.
fn document<T: DeserializeOwned>(
    node: &Node,
    broken: bool,
    kind: &Kind<T>,
) -> (Option<Document<T>>, Vec<Problem>) {
    let places = Places::of(node);
    if !matches!(node.value, Value::Mapping(_)) {
        let message = format!("the document is {}, not a mapping", node.describe());
        let problem = Problem::error("", message)
            .hint(format!("begin it with `apiVersion: {TRUSTNET_V1ALPHA1}`"));
        return (None, vec![located(problem, &places)]);
    }
    let strange = envelope(node, kind.names, kind.api_versions);
    if !strange.is_empty() {
        let problems = strange.into_iter().map(|problem| located(problem, &places));
        return (None, problems.collect());
    }
    let foundry = node.get("apiVersion").and_then(Node::text) == Some(FOUNDRY_V1ALPHA1);
    // What a VM was is not taken from the file: it is left out where it cannot be read.
    let node = without_status(node);
    let mut checked = check::check("", &node.0, kind.schema, foundry);
    if let Some(status) = node.1 {
        let status = check::check(
            "status",
            status,
            &kind.schema["properties"]["status"],
            false,
        );
        if status.problems.is_empty() {
            checked.json["status"] = status.json;
        }
    }
    finish(checked, places, broken, kind.resolve)
}

fn finish<T: DeserializeOwned>(
    checked: Checked,
    mut places: Places,
    broken: bool,
    resolve: impl Fn(&T) -> Vec<Problem>,
) -> (Option<Document<T>>, Vec<Problem>) {
    let Checked {
        json,
        mut problems,
        suspect,
        wanting,
        aliases,
    } = checked;
    for (path, written) in aliases {
        places.alias(path, &written);
    }
    let object: Option<T> = match serde_json::from_value(json) {
        Ok(object) => Some(object),
        Err(error) => {
            // Only what the schema cannot say is left for this.
            if problems.is_empty() {
                problems.push(Problem::error("", error.to_string()));
            }
            None
        }
    };
    let refused = broken || problems.iter().any(|p| p.severity == Severity::Error);
    if refused && let Some(object) = &object {
        let more = resolve(object);
        let noise = |problem: &Problem| {
            suspect
                .iter()
                .any(|path| path::is_within(&problem.path, path))
                || wanting.contains(&problem.path)
        };
        problems.extend(more.into_iter().filter(|problem| !noise(problem)));
    }
    let problems = problems
        .into_iter()
        .map(|problem| located(problem, &places))
        .collect();
    let object = object.filter(|_| !refused);
    let document = object.map(|object| Document {
        object,
        places,
        origin: Origin::default(),
    });
    (document, problems)
}

/// What is wrong with apiVersion and kind, which say how to read the rest.
fn envelope(node: &Node, kinds: &[&str], api_versions: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let fields = [("apiVersion", api_versions), ("kind", kinds)];
    for (key, known) in fields {
        let hint = |word: &str| format!("write `{key}: {word}`");
        let written = node.get(key).filter(|value| !value.is_null());
        let problem = match written.map(|value| (value, value.text())) {
            Some((_, Some(text))) if known.contains(&text) => continue,
            Some((value, Some(text))) => {
                let near = check::nearest(text, known);
                let message = format!("the {key} {} is not known", value.describe());
                Problem::error(key, message).hint(hint(near.unwrap_or(known[0])))
            }
            Some((value, None)) => {
                let message = format!("{} stands where text belongs", value.describe());
                Problem::error(key, message).hint(hint(known[0]))
            }
            None => Problem::error(key, format!("`{key}` is missing")).hint(hint(known[0])),
        };
        problems.push(problem);
    }
    problems
}

/// The document without its status, and the status.
fn without_status(node: &Node) -> (Node, Option<&Node>) {
    let Value::Mapping(entries) = &node.value else {
        return (node.clone(), None);
    };
    let rest = entries
        .iter()
        .filter(|entry| entry.key != "status")
        .cloned()
        .collect();
    let status = node.get("status").filter(|status| !status.is_null());
    (
        Node {
            value: Value::Mapping(rest),
            ..*node
        },
        status,
    )
}

fn located(problem: Problem, places: &Places) -> Problem {
    Problem {
        place: problem.place.or_else(|| places.get(&problem.path)),
        ..problem
    }
}
