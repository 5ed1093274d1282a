"""A client that knows the OpenAPI documents only talks to both services. Every answer is compared with its document."""

import threading
import time

import pytest

from client import Key, Member, NotAsDocumented, signature_headers
from services import DOMAIN, REGISTRY, connected, wait_for


@pytest.fixture(scope="module")
def root(network):
    """The root registry."""
    return network.root.service


@pytest.fixture(scope="module")
def secondary(network):
    """A secondary that follows the root."""
    return network.secondary("secondary").service


@pytest.fixture(scope="module")
def join(network):
    """Makes nodes that may join."""

    def made(name: str) -> Member:
        return Member(name, domain=DOMAIN, registry_address=network.root.address, token=network.token)

    return made


def record(service, node_id: str):
    """A node's record; none, if there is no such node."""
    answer = service.call("node", path={"node_id": node_id})
    assert answer.status in (200, 404)
    return answer.json if answer.status == 200 else None


def lasting(said: dict) -> dict:
    """What of a record does not change by time alone."""
    return {field: value for field, value in said.items() if field != "uptime_pct"}


def refused(answer, status: int, code: str) -> dict:
    """The body of a refusal, which is to be this one."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    return answer.json


def test_a_registry_says_what_it_is(root):
    health = root.call("health")
    assert health.status == 200
    assert (health.json["service"], health.json["role"]) == ("trustnet-registry", "root")
    assert health.json["domain"] == DOMAIN
    assert health.json["join_token"] is True
    assert "trustnet-replica-lag" not in health.headers


def test_a_node_registers_beats_is_read_and_leaves(root, join):
    node = join("ada")
    registered = node.register(root)
    assert registered.status == 201
    assert registered.json["node_id"] == node.node_id
    assert registered.json["heartbeat_interval"] > 0

    again = node.register(root, port=9001)
    assert (again.status, again.json["node_id"]) == (200, node.node_id)

    for _ in range(2):
        beat = node.beat(root)
        assert (beat.status, beat.json["node_state"]) == (200, "active")

    said = record(root, node.node_id)
    assert said | node.registration(port=9001) == said
    assert said["state"] == "active"
    assert lasting(said) in map(lasting, root.nodes())
    assert lasting(said) in map(lasting, root.call("snapshot").json["nodes"])

    assert node.leave(root).status == 200
    assert record(root, node.node_id) is None
    refused(node.leave(root), 404, "not_found")
    refused(node.beat(root), 404, "not_found")


def test_a_new_key_needs_the_join_token_and_a_known_one_does_not(root, join):
    stranger = join("stranger")
    token, stranger.token = stranger.token, None
    refused(stranger.register(root), 401, "join_token")
    stranger.token = "0" * 64
    refused(stranger.register(root), 401, "join_token")
    stranger.token = token
    assert stranger.register(root).status == 201
    stranger.token = None
    assert stranger.register(root, port=9002).status == 200


def test_what_is_not_signed_as_it_must_be_is_refused(root, join):
    node = join("brian")
    node.register(root)
    body = {"node_id": node.node_id, "sequence": 1, "peers_known": 0, "uptime_seconds": 0}
    refused(root.call("heartbeat", body=body), 401, "bad_signature")
    refused(root.call("heartbeat", body=body, key=Key()), 401, "bad_signature")
    forger = Key()
    forger.node_id = node.node_id
    refused(root.call("heartbeat", body=body, key=forger), 401, "bad_signature")
    now = int(time.time())
    for created in (now - 400, now + 400):
        refused(root.call("heartbeat", body=body, key=node.key, created=created), 401, "expired")
    # The body is another one than what was signed.
    headers = signature_headers(node.key, "POST", "/api/heartbeat", b"{}", now)
    headers["Content-Type"] = "application/json"
    content = b'{"node_id":"%s","sequence":1,"peers_known":0,"uptime_seconds":0}' % node.node_id.encode()
    answer = root.checked("heartbeat", root.send("POST", "/api/heartbeat", headers, content))
    refused(answer, 401, "bad_signature")
    refused(root.call("remove", path={"node_id": node.node_id}, key=Key()), 403, "forbidden")
    assert record(root, node.node_id)["state"] == "active"


def test_the_example_of_the_document_is_what_is_signed():
    class Example(Key):
        """Of the document's example nothing is known but the id."""

        def __init__(self):
            self.node_id = "0x7f8a9b1c2d3e4f5a"

        def sign(self, message: bytes) -> bytes:
            self.message = message.decode()
            return b""

    key = Example()
    headers = signature_headers(key, "DELETE", f"/api/nodes/{key.node_id}", b"", 1800000000)
    said = REGISTRY.said["components"]["securitySchemes"]
    lines = "".join(f"    {line}\n" for line in key.message.splitlines())
    assert said["signature"]["description"].endswith("\n\n" + lines)
    assert f"`{headers['Signature-Input']}`" in said["signatureInput"]["description"]
    assert f"`{headers['Content-Digest']}`" in said["contentDigest"]["description"]


def test_a_write_is_taken_once(root, join):
    node = join("carol")
    created = int(time.time())
    body = node.registration()
    for status in (201, 409):
        answer = root.call("register", body=body, key=node.key, token=node.token, created=created)
        assert answer.status == status
    refused(answer, 409, "replayed")
    # Others of that second are taken; one of a second before is not.
    assert root.call("register", body=node.registration(port=1), key=node.key, created=created).status == 200
    earlier = root.call("register", body=node.registration(port=2), key=node.key, created=created - 1)
    refused(earlier, 409, "replayed")

    assert node.beat(root, sequence=7).status == 200
    refused(node.beat(root, sequence=7), 409, "stale_sequence")
    refused(node.beat(root, sequence=6), 409, "stale_sequence")


def test_a_name_is_one_nodes(root, join):
    first, second = join("dora"), join("dora")
    assert first.register(root).status == 201
    refused(second.register(root), 409, "name_taken")


def test_pages_follow_one_another_to_the_end(root, join):
    for number in range(5):
        assert join(f"page-{number}").register(root).status == 201
    paged, whole = root.nodes(limit=2), root.call("snapshot").json["nodes"]
    assert [node["node_id"] for node in paged] == [node["node_id"] for node in whole]
    assert len(paged) > 5
    ids = [node["node_id"] for node in whole]
    assert ids == sorted(ids)
    assert root.nodes(state="banned") == []
    assert {node["state"] for node in root.nodes(state="active")} == {"active"}


def test_changes_lead_from_one_version_to_another(root, join):
    before = root.call("snapshot").json["version"]
    node = join("erin")
    node.register(root)
    node.register(root, port=9009)
    node.leave(root)
    changes = root.call("changes", query={"since": before}).json
    assert (changes["from_version"], changes["to_version"]) == (before, before + 3)
    assert [change["version"] for change in changes["changes"]] == [before + 1, before + 2, before + 3]
    types = [change["type"] for change in changes["changes"]]
    assert types == ["node_registered", "node_updated", "node_removed"]
    assert {change["node"]["node_id"] for change in changes["changes"]} == {node.node_id}
    # A piece at a time.
    first = root.call("changes", query={"since": before, "limit": 1}).json
    assert (first["to_version"], len(first["changes"])) == (before + 1, 1)
    nothing = root.call("changes", query={"since": before + 3}).json
    assert (nothing["to_version"], nothing["changes"]) == (before + 3, [])
    # A version that there never was is none that can be followed.
    refused(root.call("changes", query={"since": 2**64 - 1}), 410, "gone")


def test_an_answer_is_held_until_there_is_a_change(root, join):
    version = root.call("snapshot").json["version"]
    answers = []
    query = {"since": version, "wait": 60}
    waiting = threading.Thread(target=lambda: answers.append(root.call("changes", query=query)))
    waiting.start()
    node = join("frank")
    assert node.register(root).status == 201
    # It does not wait for the end of its time, which is as long as the join's.
    waiting.join(timeout=55)
    assert [change["node"]["node_id"] for change in answers[0].json["changes"]] == [node.node_id]


def test_peers_are_others(root, join):
    nodes = [join(f"peer-{number}") for number in range(4)]
    for node in nodes:
        node.register(root)
    asker = nodes[0].node_id
    for _ in range(5):
        peers = root.call("peers", path={"node_id": asker}, query={"count": 3}).json["peers"]
        ids = [peer["node_id"] for peer in peers]
        assert len(set(ids)) == 3 and asker not in ids
    # It need not be known.
    assert len(root.call("peers", path={"node_id": Key().node_id}).json["peers"]) == 5


def test_the_administrator_keeps_a_node_out_and_lets_it_in(root, join, network):
    node = join("gina")
    node.register(root)
    place = {"node_id": node.node_id}
    refused(root.call("ban", path=place, key=node.key), 403, "forbidden")
    assert root.call("ban", path=place, key=network.administrator).status == 200
    assert record(root, node.node_id)["state"] == "banned"
    assert [one["node_id"] for one in root.nodes(state="banned")] == [node.node_id]
    refused(node.beat(root), 403, "banned")
    refused(node.register(root), 403, "banned")
    refused(node.leave(root), 403, "banned")
    assert root.call("unban", path=place, key=network.administrator).status == 200
    assert node.beat(root).status == 200
    assert record(root, node.node_id)["state"] == "active"
    assert root.call("remove", path=place, key=network.administrator).status == 200
    assert record(root, node.node_id) is None


@pytest.mark.parametrize(
    ("operation", "query", "field"),
    [
        ("nodes", {"limit": 0}, "limit"),
        ("nodes", {"state": "asleep"}, "state"),
        ("nodes", {"after": "0x12"}, "after"),
        ("nodes", {"colour": "red"}, "colour"),
        ("changes", {}, "since"),
        ("changes", {"since": -1}, "since"),
        ("health", {"x": 1}, "x"),
        ("metrics", {"x": 1}, "x"),
    ],
)
def test_a_wrong_parameter_is_named(root, operation, query, field):
    assert refused(root.call(operation, query=query), 422, "invalid_field")["field"] == field


def test_a_wrong_body_is_named_or_refused_as_a_whole(root, join):
    node = join("harry")
    for changes in ({"port": 0}, {"domain": "-"}, {"ipv6_address": "192.0.2.1"}, {"node_name": "A"}, {"new": 1}):
        answer = refused(node.register(root, **changes), 422, "invalid_field")
        assert answer["field"] == next(iter(changes))

    def send(content: bytes, media_type: str = "application/json"):
        headers = signature_headers(node.key, "POST", "/api/register", content, int(time.time()))
        headers["Content-Type"] = media_type
        return root.checked("register", root.send("POST", "/api/register", headers, content))

    refused(send(b"{"), 400, "bad_request")
    refused(send(b"{}", "text/plain"), 415, "media_type")
    refused(send(b" " * 65537), 413, "too_large")


def test_what_is_no_operation_is_refused_in_json(root):
    refused(root.send("GET", "/api/nothing", {}), 404, "not_found")
    answer = root.send("PATCH", "/api/nodes", {})
    refused(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


def test_what_is_counted_is_open_metrics(root):
    page = root.call("metrics").body.decode()
    assert page.endswith("# EOF\n")
    assert any(line.startswith("# TYPE ") for line in page.splitlines())


def test_a_secondary_says_the_same_and_hands_writes_on(root, secondary, join):
    node = join("iris")
    assert node.register(secondary).status == 201
    assert record(root, node.node_id)["node_name"] == "iris"
    wait_for("the secondary knows it", lambda: record(secondary, node.node_id))
    assert node.beat(secondary).status == 200
    answer = secondary.call("nodes")
    assert float(answer.headers["trustnet-replica-lag"]) >= 0
    assert secondary.call("health").json["role"] == "secondary"
    refused(join("iris").register(secondary), 409, "name_taken")
    assert node.leave(secondary).status == 200
    wait_for("the secondary has lost it", lambda: record(secondary, node.node_id) is None)


def test_a_secondary_keeps_writes_for_a_root_that_is_away(network, root, secondary, join):
    known = join("jack")
    known.register(root)
    wait_for("the secondary knows it", lambda: record(secondary, known.node_id))
    version = root.call("snapshot").json["version"]
    network.root.stop()
    assert record(secondary, known.node_id)["node_name"] == "jack"
    late = join("kate")
    for answer in (late.register(secondary), known.beat(secondary), known.leave(secondary)):
        assert (answer.status, answer.json["status"]) == (202, "queued")
    refused(join("lara").register(secondary, port=0), 422, "invalid_field")
    health = secondary.call("health")
    assert health.status == 503
    assert health.json["replication"]["queued_writes"] >= 2
    assert not health.json["replication"]["connected"]
    network.root.start()
    assert network.root.service.port == root.port
    wait_for("the root has what was queued", lambda: record(root, late.node_id))
    wait_for("it was all of it", lambda: record(root, known.node_id) is None)
    assert root.call("snapshot").json["version"] == version + 2
    wait_for("the secondary follows again", lambda: connected(secondary))


def test_a_node_says_how_it_is_and_whom_it_knows(network, root, join):
    first, _ = network.node("first"), network.node("second")
    health = first.service.call("health").json
    assert (health["service"], health["node_name"]) == ("trustnet-node", "first")
    assert health["registry"]["address"] == network.root.address
    assert (health["consensus"], health["transaction_pool"]) == ("not included", "not included")
    said = record(root, health["node_id"])
    assert (said["node_name"], said["port"]) == ("first", first.service.port)

    def names():
        return {peer["node_name"] for peer in first.service.call("peers").json["peers"]}

    wait_for("the node knows the other", lambda: "second" in names())
    assert len(first.service.call("peers", query={"count": 1}).json["peers"]) == 1
    refused(first.service.call("peers", query={"count": 0}), 422, "invalid_field")
    refused(first.service.call("peers", query={"colour": "red"}), 422, "invalid_field")
    refused(first.service.send("GET", "/api/nothing", {}), 404, "not_found")
    refused(first.service.send("POST", "/api/health", {}), 405, "method_not_allowed")
    assert first.service.call("metrics").body.endswith(b"# EOF\n")


def test_an_answer_that_its_document_does_not_know_is_noticed(root):
    answer = root.call("health")
    answer.status = 299
    with pytest.raises(NotAsDocumented):
        root.checked("health", answer)
    answer.status = 200
    answer.headers["content-type"] = "text/plain"
    with pytest.raises(NotAsDocumented):
        root.checked("health", answer)
    answer.headers["content-type"] = "application/json"
    answer.body = answer.body.replace(b'"root"', b'"branch"')
    with pytest.raises(NotAsDocumented):
        root.checked("health", answer)
