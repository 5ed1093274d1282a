//! What a Kubernetes API server answers to server-side apply, over TLS on loopback, with every request kept. Objects are
//! only as much as it takes: who has a field is said by the test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// What the kubeconfig has, and the server wants.
const TOKEN: &str = "bearer-of-the-test";

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// The path without its query.
    pub path: String,
    pub query: String,
    pub content_type: String,
}

impl Request {
    pub fn is_dry(&self) -> bool {
        self.query.contains("dryRun=All")
    }
    pub fn is_apply(&self) -> bool {
        self.method == "PATCH" && !self.is_dry()
    }
}

/// How it is to behave, and what it has.
#[derive(Default)]
pub struct Cluster {
    pub requests: Vec<Request>,
    /// Objects as they were applied, with the version of each, by path.
    pub objects: BTreeMap<String, (Value, u64)>,
    /// Namespaces that were there before.
    pub namespaces: Vec<String>,
    /// Fields of other managers: by the end of a path, the field, and who has it.
    pub managed: Vec<(&'static str, &'static str, &'static str)>,
    /// Methods and ends of paths that this user may not call.
    pub forbidden: Vec<(&'static str, &'static str)>,
    /// How many of the next requests are put off.
    pub busy: usize,
    /// How often a StatefulSet is looked at, once it was applied, before it is ready; none for never.
    pub ready_after: Option<usize>,
    /// What the pods' containers wait for.
    pub waiting: Option<Value>,
    pub looks: BTreeMap<String, usize>,
    pub version: u64,
}

/// A running one.
pub struct Server {
    cluster: Arc<Mutex<Cluster>>,
    folder: tempfile::TempDir,
    port: u16,
    authority: String,
}

impl Server {
    pub fn start(cluster: Cluster) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("a certificate with its key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cluster = Arc::new(Mutex::new(Cluster {
            version: 100,
            ..cluster
        }));
        let (config, shared) = (Arc::new(config), Arc::clone(&cluster));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, shared) = (Arc::clone(&config), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, config, &shared));
            }
        });
        Self {
            cluster,
            folder: tempfile::tempdir().expect("a folder"),
            port,
            authority: issuer.pem(),
        }
    }

    pub fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().expect("not poisoned")
    }

    /// Who vouches for it, as PEM.
    pub fn authority(&self) -> String {
        self.authority.clone()
    }

    /// A kubeconfig with two contexts: `here`, which is the current one, and `stranger`, with another token.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_by(&self.authority)
    }

    /// The same, with another authority that vouches for the server.
    pub fn kubeconfig_by(&self, authority: &str) -> PathBuf {
        let user = |name: &str, token: &str| json!({ "name": name, "user": { "token": token } });
        let context = |name: &str, user: &str| json!({ "name": name, "context": { "cluster": "test", "user": user } });
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{ "name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority-data": STANDARD.encode(authority),
            } }],
            "users": [user("ada", TOKEN), user("eve", "something else")],
            "contexts": [context("here", "ada"), context("stranger", "eve")],
        });
        write(self.folder.path(), &config.to_string())
    }
}

fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    std::fs::write(&path, text).expect("written");
    path
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, cluster: &Mutex<Cluster>) {
    let connection = ServerConnection::new(config).expect("a connection");
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    while let Some((request, token, body)) = read(&mut stream) {
        let mut cluster = cluster.lock().expect("not poisoned");
        cluster.requests.push(request.clone());
        let (status, mut headers, answer) = if token == format!("Bearer {TOKEN}") {
            cluster.answer(&request, &body)
        } else {
            refused(401, "Unauthorized", "Unauthorized", &json!({}))
        };
        drop(cluster);
        let answer = answer.to_string();
        headers.push_str(&format!("content-length: {}\r\n", answer.len()));
        let head =
            format!("HTTP/1.1 {status} -\r\ncontent-type: application/json\r\n{headers}\r\n");
        // At once: two small packets would wait for each other's receipt.
        let whole = head + &answer;
        let out = stream.get_mut();
        if out
            .write_all(whole.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return;
        }
    }
}

/// A request, its `Authorization`, and its body as JSON, which is YAML too.
fn read(stream: &mut impl BufRead) -> Option<(Request, String, Value)> {
    let mut line = String::new();
    stream
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (mut length, mut content_type, mut token) = (0, String::new(), String::new());
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "content-type" => content_type = value.to_owned(),
            "authorization" => token = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let request = Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        content_type,
    };
    Some((
        request,
        token,
        serde_json::from_slice(&body).unwrap_or(Value::Null),
    ))
}

type Answer = (u16, String, Value);

fn refused(code: u16, reason: &str, message: &str, details: &Value) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": details, "code": code,
    });
    (code, String::new(), status)
}

impl Cluster {
    fn answer(&mut self, request: &Request, body: &Value) -> Answer {
        if self.busy > 0 {
            self.busy -= 1;
            let message =
                "the server has received too many requests and has asked us to try again later";
            let (code, _, status) = refused(
                429,
                "TooManyRequests",
                message,
                &json!({ "retryAfterSeconds": 0 }),
            );
            return (code, "retry-after: 0\r\n".to_owned(), status);
        }
        let path = request.path.as_str();
        let is_forbidden =
            |(method, end): &(&str, &str)| *method == request.method && path.ends_with(end);
        if self.forbidden.iter().any(is_forbidden) {
            let message = format!("`{path}` is forbidden: User \"ada\" cannot do that");
            return refused(403, "Forbidden", &message, &json!({}));
        }
        match request.method.as_str() {
            "GET" if path.ends_with("/pods") => (200, String::new(), self.pods()),
            "GET" => self.get(path),
            "PATCH" => self.apply(request, body),
            _ => refused(
                405,
                "MethodNotAllowed",
                "the method is not allowed",
                &json!({}),
            ),
        }
    }

    fn pods(&self) -> Value {
        let state = json!({ "waiting": self.waiting });
        let pod = json!({ "metadata": { "name": "pod-0" }, "status": { "containerStatuses": [{ "state": state }] } });
        json!({ "apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [pod] })
    }

    fn get(&mut self, path: &str) -> Answer {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if self.namespaces.contains(&name)
            && path.ends_with(&format!("/namespaces/{name}"))
            && !self.objects.contains_key(path)
        {
            let there = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "resourceVersion": "1" } });
            return (200, String::new(), there);
        }
        let Some((object, version)) = self.objects.get(path).cloned() else {
            return refused(
                404,
                "NotFound",
                &format!("`{name}` not found"),
                &json!({ "name": name }),
            );
        };
        let looks = self.looks.entry(path.to_owned()).or_default();
        *looks += 1;
        let ready = self.ready_after.is_some_and(|after| *looks > after);
        (200, String::new(), versioned(object, version, ready))
    }

    fn apply(&mut self, request: &Request, body: &Value) -> Answer {
        let path = request.path.as_str();
        if request.content_type != "application/apply-patch+yaml" {
            return refused(
                415,
                "UnsupportedMediaType",
                &request.content_type,
                &json!({}),
            );
        }
        if !request.query.contains("fieldManager=") {
            return refused(
                400,
                "BadRequest",
                "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value",
                &json!({}),
            );
        }
        if let Some((_, rest)) = path.split_once("/namespaces/")
            && let Some((namespace, _)) = rest.split_once('/')
        {
            let made = self
                .objects
                .contains_key(&format!("/api/v1/namespaces/{namespace}"));
            if !made && !self.namespaces.iter().any(|one| one == namespace) {
                let message = format!("namespaces \"{namespace}\" not found");
                return refused(
                    404,
                    "NotFound",
                    &message,
                    &json!({ "kind": "namespaces", "name": namespace }),
                );
            }
        }
        let foreign = self.managed.iter().filter(|(end, ..)| path.ends_with(end));
        let causes: Vec<Value> = foreign
            .map(|(_, field, manager)| {
                let message = format!("conflict with \"{manager}\" using apps/v1");
                json!({ "reason": "FieldManagerConflict", "message": message, "field": field })
            })
            .collect();
        if !causes.is_empty() && !request.query.contains("force=true") {
            let count = causes.len();
            let message = format!("Apply failed with {count} conflicts");
            return refused(409, "Conflict", &message, &json!({ "causes": causes }));
        }
        let before = self.objects.get(path).cloned();
        let same = before.as_ref().is_some_and(|(object, _)| object == body);
        let version = match &before {
            Some((_, version)) if same => *version,
            _ => self.version + 1,
        };
        if !request.is_dry() {
            self.version = self.version.max(version);
            self.objects
                .insert(path.to_owned(), (body.clone(), version));
            self.looks.insert(path.to_owned(), 0);
        }
        let code = if before.is_some() { 200 } else { 201 };
        (code, String::new(), versioned(body.clone(), version, false))
    }
}

fn versioned(mut object: Value, version: u64, ready: bool) -> Value {
    object["metadata"]["resourceVersion"] = version.to_string().into();
    object["metadata"]["generation"] = 1.into();
    if object["kind"] == "StatefulSet" {
        object["status"] = json!({
            "observedGeneration": 1, "currentRevision": "a", "updateRevision": "a",
            "replicas": 1, "readyReplicas": u8::from(ready),
        });
    }
    object
}
