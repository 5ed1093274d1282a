"""The services as processes on loopback, with their configuration files."""

import base64
import json
import os
import secrets
import socket
import subprocess
import time
from pathlib import Path

from client import Document, Key, Service

REPOSITORY = Path(__file__).resolve().parents[2]
REGISTRY = Document(REPOSITORY / "api/openapi/registry.json")
NODE = Document(REPOSITORY / "api/openapi/node.json")

# How long anything is waited for. What is well comes long before.
PATIENCE = 120.0
DOMAIN = "example.net"


def wait_for(what: str, ask):
    """The first answer that is neither none nor false."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


def connected(registry: Service) -> bool:
    """Whether a registry does its work, and its root answers."""
    answer = registry.call("health")
    return answer.status == 200 and answer.json["replication"]["connected"]


def base_url(service: Service) -> str:
    """What the paths of its document come after."""
    return f"http://[{service.address}]:{service.port}"


class Program:
    """A program with its configuration, which can be stopped and started again."""

    def __init__(self, folder: Path, variable: str, config: dict, document: Document, words: str):
        self._program = os.environ[variable]
        self._config = folder / "config.yml"
        self._log = folder / "log"
        self._words = words
        self._process = None
        self.document = document
        # JSON is YAML.
        self._config.write_text(json.dumps(config), encoding="utf-8")
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it says where it answers."""
        with self._log.open("wb") as log:
            # No name server answers: nothing leaves this machine.
            environment = os.environ | {"TRUSTNET_NAME_SERVERS": "[::1]:1"}
            command = [self._program, "--config", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.address = wait_for(f"`{self._words}` in {self._log}", self._said)
        self.service = Service(self.document, "::1", int(self.address.rsplit(":", 1)[1]))

    def _said(self):
        if self._process.poll() is not None:
            raise AssertionError(f"`{self._program}` ended: {self._log.read_text(encoding='utf-8')}")
        for line in self._log.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n") and line.startswith("{"):
                record = json.loads(line)
                if self._words in record.get("message", ""):
                    return record["address"]
        return None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ends it as a service manager does."""
        if self.is_running:
            self._process.terminate()
            status = self._process.wait(timeout=PATIENCE)
            assert status == 0, f"`{self._program}` ended with {status}"

    def kill(self) -> None:
        """Ends it, whatever it does."""
        if self.is_running:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """A port that was free a moment ago. If it is taken meanwhile, a service takes the next one."""
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", 0))
        return listener.getsockname()[1]


class Network:
    """A root registry, with what it takes to join it. More services can be added."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.token = secrets.token_hex(32)
        self.administrator = Key()
        self.programs = []
        self.token_file = folder / "join-token"
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(self.token + "\n", encoding="utf-8")
        administrator = base64.b64encode(self.administrator.public).decode()
        self.root = self._registry("root", {"role": "root", "administrator_key": administrator})

    def secondary(self, name: str) -> Program:
        """A registry that follows the root."""
        more = {"role": "secondary", "root_registry": {"address": self.root.address}}
        program = self._registry(name, more)
        wait_for(f"`{name}` has found its root", lambda: connected(program.service))
        return program

    def node(self, name: str) -> Program:
        """A node of the root's."""
        folder = self._made(name)
        config = {
            "node": {
                "name": name,
                "domain": DOMAIN,
                "ipv6_address": "::1",
                "port": free_port(),
                "data": str(folder / "data"),
            },
            "registry": {
                "type": "external",
                "address": self.root.address,
                "join_token_file": str(self.token_file),
            },
            "gossip": {"interval": 2},
        }
        program = self._program(folder, "TRUSTNET_NODE", config, NODE, "the node answers")
        wait_for(f"`{name}` is registered", lambda: program.service.call("health").status == 200)
        return program

    def _registry(self, name: str, more: dict) -> Program:
        folder = self._made(name)
        config = {
            "registry": {
                "ipv6_address": "::1",
                "port": free_port(),
                "domain": DOMAIN,
                "join_token_file": str(self.token_file),
            }
            | more,
            "database": {"path": str(folder / "registry.db")},
            # All requests come from one address here.
            "limits": {"registration_burst": 1000000, "registrations_per_second": 1000000.0},
        }
        return self._program(folder, "TRUSTNET_REGISTRY", config, REGISTRY, "the registry answers")

    def _made(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    def _program(self, *arguments) -> Program:
        program = Program(*arguments)
        self.programs.append(program)
        return program

    def end(self) -> None:
        """Ends every program."""
        for program in reversed(self.programs):
            program.kill()
