"""What requests that a document makes up are about: nodes that are there, and keys that may sign."""

import json
import time
from urllib.parse import urlsplit

import requests
from schemathesis.generation.meta import TestPhase

from client import Member, signature_headers
from services import DOMAIN, base_url

MEMBERS = 4
# A signature may be ahead by 300 s.
AHEAD = 250
# What is about a node only if that node is there, and may speak.
ABOUT_A_NODE = ("heartbeat", "node", "remove", "ban", "unban", "peers")


class World(requests.auth.AuthBase):
    """A network as requests need it. It signs as RFC 9421 wants it whatever is sent, by the key that may."""

    def __init__(self):
        self.network = None
        self.service = None
        self.members = []
        self.seconds = {}
        self.met = {}

    def settle(self, network) -> None:
        """The network that is talked to from here on, by way of its root."""
        self.network = network
        self.service = network.root.service
        self.met = {}
        self.members = [
            Member(f"member-{number}", domain=DOMAIN, registry_address=network.root.address, token=network.token)
            for number in range(MEMBERS)
        ]
        for member in self.members:
            self.bring_back(member)

    @property
    def base_url(self) -> str:
        """Where the registry is."""
        return base_url(self.service)

    def clear(self) -> None:
        """Takes every node out of the directory, and lets in who was kept out."""
        for node in self.service.nodes():
            place, key = {"node_id": node["node_id"]}, self.network.administrator
            for operation in ("unban", "remove") if node["state"] == "banned" else ("remove",):
                answer = self.service.call(operation, path=place, key=key, created=self._now(node["node_id"]))
                assert answer.status == 200, answer.body

    def _now(self, node_id: str) -> int:
        """A second of its own for each write about a node, as far as signatures may be ahead: else what is sent twice
        within a second would be a replay one time, and none another."""
        now = int(time.time())
        self.seconds[node_id] = min(max(now, self.seconds.get(node_id, 0) + 1), now + AHEAD)
        return self.seconds[node_id]

    def member(self, text) -> Member:
        """One of the members: always the same for the same text."""
        return self.members[sum(str(text).encode()) % MEMBERS]

    def bring_back(self, member: Member) -> None:
        """Sees to it that a member is in the directory, and not kept out."""
        place = {"node_id": member.node_id}
        answer = self.service.call("node", path=place)
        if answer.status == 200 and answer.json["state"] == "banned":
            created = self._now(member.node_id)
            self.service.call("unban", path=place, key=self.network.administrator, created=created)
        elif answer.status == 404:
            answer = member.register(self.service, created=self._now(member.node_id))
            assert answer.status == 201, answer.body

    def before_call(self, case) -> None:
        """Half of what is valid is about a member, so that it succeeds; the other half about nobody."""
        meta, name = case.meta, case.operation.definition.raw["operationId"]
        if isinstance(case.query.get("wait"), int):
            # Nothing happens meanwhile.
            case.query["wait"] = min(case.query["wait"], 1)
        if meta is None or not meta.generation.mode.is_positive:
            return
        if name == "register" and isinstance(case.body, dict):
            member = self.member(case.body["node_name"])
            case.body = case.body | {"public_key": member.key.public_base64}
        # There, what one step has made or removed is what the next one is about.
        if meta.phase.name == TestPhase.STATEFUL:
            return
        if name == "register":
            # Known one time, new another.
            self.bring_back(member)
            if case.body["port"] % 2 == 0:
                member.leave(self.service, created=self._now(member.node_id))
        if name not in ABOUT_A_NODE:
            return
        about = case.body if name == "heartbeat" else case.path_parameters
        if not isinstance(about, dict) or int(about["node_id"], 16) % 2 == 1:
            return
        member = self.member(about["node_id"])
        self.bring_back(member)
        about["node_id"] = member.node_id

    def after_call(self, case, response) -> None:
        """Remembers which answers there were."""
        name = case.operation.definition.raw["operationId"]
        self.met.setdefault(name, set()).add(response.status_code)

    def __call__(self, request):
        path, body = urlsplit(request.url).path, request.body or b""
        content = body.encode() if isinstance(body, str) else body
        key, node_id = self._signer(path, content)
        headers = signature_headers(key, request.method, path, content, self._now(node_id))
        for name, value in headers.items():
            request.headers[name] = value
        request.headers["Authorization"] = f"Bearer {self.network.token}"
        return request

    def _signer(self, path: str, content: bytes):
        """The key that may write, and the id of the node that it is about."""
        text = path if path.startswith("/api/nodes/") else content.decode("utf-8", "replace")
        for member in self.members:
            if member.node_id in text or json.dumps(member.key.public_base64) in text:
                key = self.network.administrator if path.endswith("/ban") else member.key
                return key, member.node_id
        return self.network.administrator, ""
