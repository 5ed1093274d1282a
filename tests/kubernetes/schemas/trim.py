"""Trims published OpenAPI definitions to what some kinds need, without descriptions.

usage: trim.py DEFINITIONS OUT NAME...
"""
import json
import sys

GONE = ("description", "default", "x-kubernetes-group-version-kind")

def trimmed(node):
    if isinstance(node, dict):
        kept = {k: v for k, v in node.items() if not (k in GONE and not isinstance(v, dict)) and not k.startswith("x-")}
        kept = {k: trimmed(v) for k, v in kept.items()}
        if isinstance(kept.get("$ref"), str):
            kept["$ref"] = "#/definitions/" + kept["$ref"].rsplit("/", 1)[-1]
        if isinstance(kept.get("type"), list) and "null" in kept["type"]:
            kept["type"] = [kind for kind in kept["type"] if kind != "null"]
        return kept
    if isinstance(node, list):
        return [trimmed(item) for item in node]
    return node

def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rsplit("/", 1)[-1]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)

def main(source, out, *names):
    document = json.load(open(source))
    known = document.get("definitions") or document["$defs"]
    found, wanted = {}, list(names)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = trimmed(known[name])
            wanted.extend(references(found[name]))
    with open(out, "w") as file:
        lines = (f"{json.dumps(name)}: {json.dumps(found[name], sort_keys=True)}" for name in sorted(found))
        file.write('{"definitions": {\n' + ",\n".join(lines) + "\n}}\n")

main(*sys.argv[1:])
