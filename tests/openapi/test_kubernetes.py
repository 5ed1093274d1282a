"""The objects of `tests/kubernetes` against the published schemas of the versions named there, strictly; and against
each other: what a schema cannot say."""

import copy
import json
import pathlib
import re

import jsonschema
import pytest
import yaml

CASES = pathlib.Path(__file__).parents[1] / "kubernetes"
CORE = "io.k8s.api.core.v1."
KINDS = {
    ("v1", "Namespace"): CORE + "Namespace",
    ("v1", "ConfigMap"): CORE + "ConfigMap",
    ("v1", "Secret"): CORE + "Secret",
    ("v1", "Service"): CORE + "Service",
    ("apps/v1", "StatefulSet"): "io.k8s.api.apps.v1.StatefulSet",
    ("networking.k8s.io/v1", "NetworkPolicy"): "io.k8s.api.networking.v1.NetworkPolicy",
    ("policy/v1", "PodDisruptionBudget"): "io.k8s.api.policy.v1.PodDisruptionBudget",
    ("kubevirt.io/v1", "VirtualMachine"): "v1.VirtualMachine",
    ("cdi.kubevirt.io/v1beta1", "DataVolume"): "v1beta1.DataVolume",
}
# An object that may hold anything, though no field is listed.
FREE = {"FieldsV1", "RawExtension"}


def strict(name, node):
    """The schema, refusing fields that it does not list."""
    if isinstance(node, list):
        return [strict("", item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: strict("", value) for key, value in node.items()}
    listed = isinstance(node.get("properties"), dict) or node.get("type") in ("object", ["object"])
    if listed and "additionalProperties" not in node and name.rsplit(".", 1)[-1] not in FREE:
        node["additionalProperties"] = False
    return node


def schema(path):
    definitions = json.loads(path.read_text())["definitions"]
    return {name: strict(name, node) for name, node in definitions.items()}


SCHEMAS = {path.stem: schema(path) for path in sorted((CASES / "schemas").glob("*.json"))}
assert len(SCHEMAS) == 4


def validators(document):
    """One for each version that knows the kind."""
    name = KINDS[document["apiVersion"], document["kind"]]
    for version, definitions in SCHEMAS.items():
        if name in definitions:
            # A kind's definition has a name with a word of its group: `v1.VirtualMachine` is in one file only.
            root = {"$ref": f"#/definitions/{name}", "definitions": definitions}
            yield version, jsonschema.Draft7Validator(root)


def objects(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


FILES = sorted(path for path in CASES.glob("*/*.yaml") if path.name != "input.yaml")
assert len(FILES) >= 7


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_object_is_one_of_the_published_schemas(path):
    count = 0
    for document in objects(path):
        for version, validator in validators(document):
            errors = [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(document)]
            assert errors == [], f"{document['kind']} {document['metadata']['name']} by {version}"
            count += 1
    assert count > 0


def leaves(node, path=()):
    """Every mapping of a document that has fields, but for those whose keys are the user's."""
    if isinstance(node, dict):
        if path and path[-1] not in ("labels", "annotations", "matchLabels", "selector", "data", "requests", "limits"):
            yield path
        for key, value in node.items():
            if key not in ("labels", "annotations", "matchLabels", "selector", "data", "requests", "limits") or key == "selector" and isinstance(value, dict) and "matchLabels" in value:
                yield from leaves(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from leaves(value, (*path, index))


def test_a_field_that_no_schema_lists_is_refused_wherever_it_stands():
    seen = set()
    refused = 0
    for path in FILES:
        for document in objects(path):
            if document["kind"] in seen:
                continue
            seen.add(document["kind"])
            for place in leaves(document):
                if place[-1:] == ("selector",) and document["kind"] == "Service":
                    continue
                broken = copy.deepcopy(document)
                node = broken
                for key in place:
                    node = node[key]
                node["noSuchField"] = "x"
                for version, validator in validators(broken):
                    assert not validator.is_valid(broken), f"{document['kind']} {place} by {version}"
                    refused += 1
    assert seen == {kind for _, kind in KINDS} and refused > 100


LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_names_are_those_that_a_server_takes_and_no_two_are_the_same(path):
    names = set()
    for document in objects(path):
        kind, name = document["kind"], document["metadata"]["name"]
        rule = LABEL if kind in ("Service", "StatefulSet", "Namespace") else SUBDOMAIN
        assert rule.fullmatch(name) and len(name) <= 253, name
        assert (kind, name) not in names
        names.add((kind, name))


def selects(selector, labels):
    return bool(selector) and selector.items() <= labels.items()


@pytest.mark.parametrize(
    "path", sorted(CASES.glob("*/kubernetes.yaml")), ids=lambda path: path.parent.name
)
def test_the_objects_of_a_network_fit_each_other(path):
    documents = objects(path)
    of = lambda kind: [document for document in documents if document["kind"] == kind]
    sets = of("StatefulSet")
    assert sets
    for one in sets:
        spec = one["spec"]
        pod = spec["template"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert selects(spec["selector"]["matchLabels"], labels)
        assert sum(selects(spec["selector"]["matchLabels"], other["spec"]["template"]["metadata"]["labels"]) for other in sets) == 1
        headless = next(service for service in of("Service") if service["metadata"]["name"] == spec["serviceName"])
        assert headless["spec"]["clusterIP"] == "None"
        volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
        (container,) = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
        maps = {one["metadata"]["name"] for one in of("ConfigMap")}
        assert {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume} <= maps
        # Pod Security Standards, `restricted`.
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    pods = [one["spec"]["template"] for one in sets]
    for service in of("Service"):
        chosen = [pod for pod in pods if selects(service["spec"]["selector"], pod["metadata"]["labels"])]
        assert chosen, service["metadata"]["name"]
        for pod in chosen:
            named = {(port["name"], port["protocol"]) for port in pod["spec"]["containers"][0]["ports"]}
            wanted = {(port["targetPort"], port["protocol"]) for port in service["spec"]["ports"]}
            assert wanted <= named
    for pod in pods:
        labels = pod["metadata"]["labels"]
        # An eviction is refused where two budgets speak of one pod.
        for kind, place in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
            chosen = [one for one in of(kind) if selects(one["spec"][place]["matchLabels"], labels)]
            assert len(chosen) == 1, kind
        (policy,) = chosen
        open_ports = {(port["protocol"], port["port"]) for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert open_ports == {(port["protocol"], port["containerPort"]) for port in pod["spec"]["containers"][0]["ports"]}


@pytest.mark.parametrize(
    "path", sorted(CASES.glob("*/kubevirt.yaml")), ids=lambda path: path.parent.name
)
def test_the_disks_and_interfaces_of_a_vm_have_something_behind_them(path):
    documents = objects(path)
    lasting = {one["metadata"]["name"] for one in documents if one["kind"] == "DataVolume"}
    machines = [one["spec"] for one in documents if one["kind"] == "VirtualMachine"]
    assert machines
    used = set()
    for machine in machines:
        own = {one["metadata"]["name"] for one in machine["dataVolumeTemplates"]}
        spec = machine["template"]["spec"]
        devices = spec["domain"]["devices"]
        assert [disk["name"] for disk in devices["disks"]] == [volume["name"] for volume in spec["volumes"]]
        assert [one["name"] for one in devices["interfaces"]] == [one["name"] for one in spec["networks"]]
        assert sum("pod" in network for network in spec["networks"]) <= 1
        volumes = {volume["dataVolume"]["name"] for volume in spec["volumes"] if "dataVolume" in volume}
        assert own <= volumes <= own | lasting
        used |= volumes
    assert lasting <= used
