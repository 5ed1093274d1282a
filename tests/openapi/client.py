"""A client of TrustNet's registry and node, written from their OpenAPI documents and from nothing else.

It shares no type and no line with the services. Whatever a document says of an answer (status, headers, media type,
schema) is compared with the answer; what the client needs and a document does not say is the document's defect.
"""

import base64
import hashlib
import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import jsonschema
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class NotAsDocumented(AssertionError):
    """An answer that its document does not know."""


class Key:
    """An Ed25519 key, and so an identity: the node id is made from it."""

    def __init__(self):
        self._private = Ed25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.node_id = "0x" + hashlib.sha256(self.public).hexdigest()[:16]

    @property
    def public_base64(self) -> str:
        """As requests and records carry it."""
        return base64.b64encode(self.public).decode()

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(message)


def signature_headers(key: Key, method: str, path: str, body: bytes, created: int | None = None) -> dict[str, str]:
    """The three headers of a request that is signed at a time, or now: RFC 9530's digest, RFC 9421's input and signature."""
    created = int(time.time()) if created is None else created
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    parameters = (
        f'("@method" "@path" "content-digest");created={created};keyid="{key.node_id}";alg="ed25519"'
    )
    base = "\n".join(
        [
            f'"@method": {method}',
            f'"@path": {path}',
            f'"content-digest": {digest}',
            f'"@signature-params": {parameters}',
        ]
    )
    signature = base64.b64encode(key.sign(base.encode("ascii"))).decode()
    return {
        "Content-Digest": digest,
        "Signature-Input": f"sig1={parameters}",
        "Signature": f"sig1=:{signature}:",
    }


@dataclass
class Operation:
    """One operation of a document."""

    name: str
    method: str
    template: str
    said: dict

    @property
    def signed(self) -> bool:
        """Whether the document wants it signed."""
        return any("signature" in way for way in self.said.get("security", []))


@dataclass
class Answer:
    """What a service answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def json(self):
        """The body, read."""
        return json.loads(self.body)


class Document:
    """An OpenAPI 3.1 document."""

    URI = "urn:document"

    def __init__(self, path: Path):
        self.said = json.loads(path.read_text(encoding="utf-8"))
        resource = Resource.from_contents(self.said, default_specification=DRAFT202012)
        self._schemas = Registry().with_resource(self.URI, resource)
        self.operations = {
            said["operationId"]: Operation(said["operationId"], method.upper(), template, said)
            for template, item in self.said["paths"].items()
            for method, said in item.items()
            if method in METHODS
        }

    def check(self, operation: Operation, answer: Answer) -> None:
        """Compares an answer with what is said of it."""
        where = f"{operation.name}: {answer.status}"
        said = operation.said["responses"].get(str(answer.status))
        if said is None:
            raise NotAsDocumented(f"{where} is no answer of the document's: {answer.body[:300]!r}")
        self._check_headers(where, self._resolved(said), answer)
        self._check_body(where, self._resolved(said), answer)

    def _check_headers(self, where: str, said: dict, answer: Answer) -> None:
        for name, header in said.get("headers", {}).items():
            header = self._resolved(header)
            value = answer.headers.get(name.lower())
            if value is None:
                if header.get("required", False):
                    raise NotAsDocumented(f"{where}: no header `{name}`")
                continue
            # A header is text; what its schema calls a number is one that can be read as such.
            if header["schema"].get("type") in ("integer", "number"):
                value = json.loads(value)
            self._validate(f"{where}, header `{name}`", header["schema"], value)

    def _check_body(self, where: str, said: dict, answer: Answer) -> None:
        content = said.get("content", {})
        if not content:
            if answer.body:
                raise NotAsDocumented(f"{where}: a body where none is said")
            return
        if answer.media_type not in content:
            raise NotAsDocumented(f"{where}: media type `{answer.media_type}`")
        if answer.media_type == "application/json":
            self._validate(where, content[answer.media_type]["schema"], answer.json)

    def _resolved(self, said: dict) -> dict:
        if "$ref" not in said:
            return said
        return self._schemas.resolver(self.URI).lookup(self.URI + said["$ref"]).contents

    def _validate(self, where: str, schema: dict, value) -> None:
        # The schema's own references are relative to the document.
        validator = jsonschema.Draft202012Validator(
            {"$id": self.URI + ":part", "allOf": [self._absolute(schema)]},
            registry=self._schemas,
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        )
        problems = [f"{problem.json_path}: {problem.message}" for problem in validator.iter_errors(value)]
        if problems:
            raise NotAsDocumented(f"{where}: {'; '.join(problems)}")

    def _absolute(self, schema: dict) -> dict:
        if "$ref" in schema:
            return {**schema, "$ref": self.URI + schema["$ref"]}
        return schema


class Service:
    """A service that answers somewhere."""

    def __init__(self, document: Document, address: str, port: int):
        self.document = document
        self.address = address
        self.port = port

    def call(self, name: str, *, path=None, query=None, body=None, key=None, token=None, created=None) -> Answer:
        """Calls an operation by its id, signs it where the document wants that, and checks the answer."""
        operation = self.document.operations[name]
        target = operation.template.format(**{part: quote(value, safe="") for part, value in (path or {}).items()})
        content = b"" if body is None else json.dumps(body).encode()
        headers = {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            if not operation.signed:
                raise NotAsDocumented(f"{name}: the document knows no signature here")
            headers |= signature_headers(key, operation.method, target, content, created)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if query:
            target += "?" + urlencode(query)
        return self.checked(name, self.send(operation.method, target, headers, content))

    def checked(self, name: str, answer: Answer) -> Answer:
        """An answer to an operation, compared with the document."""
        self.document.check(self.document.operations[name], answer)
        return answer

    def send(self, method: str, target: str, headers: dict[str, str], content: bytes = b"") -> Answer:
        """Sends whatever it is given."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=90)
        try:
            connection.request(method, target, body=content or None, headers=headers)
            response = connection.getresponse()
            read = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, read, response.read())
        finally:
            connection.close()

    def nodes(self, **query) -> list[dict]:
        """Every record, page after page."""
        records = []
        while True:
            page = self.call("nodes", query=query).json
            records += page["nodes"]
            if page.get("next") is None:
                return records
            query["after"] = page["next"]


class Member:
    """A node, as far as a registry can tell."""

    def __init__(self, name: str, *, domain: str, registry_address: str, token: str | None = None):
        self.key = Key()
        self.name = name
        self.domain = domain
        self.registry_address = registry_address
        self.token = token
        self.sequence = 0

    @property
    def node_id(self) -> str:
        """Made from the key."""
        return self.key.node_id

    def registration(self, **changes) -> dict:
        """What it says of itself."""
        return {
            "node_name": self.name,
            "ipv6_address": "2001:db8::100",
            "port": 9000,
            "domain": self.domain,
            "registry_address": self.registry_address,
            "public_key": self.key.public_base64,
        } | changes

    def register(self, registry: Service, created: int | None = None, **changes) -> Answer:
        """Makes itself known."""
        # The document: a sequence begins anew with a registration.
        self.sequence = 0
        body = self.registration(**changes)
        return registry.call("register", body=body, key=self.key, token=self.token, created=created)

    def beat(self, registry: Service, sequence: int | None = None) -> Answer:
        """Says that it lives."""
        self.sequence = self.sequence + 1 if sequence is None else sequence
        body = {
            "node_id": self.node_id,
            "sequence": self.sequence,
            "peers_known": 0,
            "uptime_seconds": 60 * self.sequence,
        }
        return registry.call("heartbeat", body=body, key=self.key)

    def leave(self, registry: Service, created: int | None = None) -> Answer:
        """Takes itself out."""
        return registry.call("remove", path={"node_id": self.node_id}, key=self.key, created=created)
