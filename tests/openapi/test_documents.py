"""schemathesis: what the documents let it send, it sends; what they do not say, no service is to answer."""

from pathlib import Path

import pytest
import schemathesis
from hypothesis import strategies
from hypothesis.errors import Flaky
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.engine.errors import is_inconsistent_replay

from services import NODE, REGISTRY, base_url
from world import World

# The one format of the documents that JSON Schema does not know.
PORTS = strategies.integers(1, 65535)
ENDPOINTS = strategies.builds("[{}]:{}".format, strategies.ip_addresses(v=6), PORTS) | strategies.builds(
    "{}:{}".format, strategies.ip_addresses(v=4), PORTS
)
schemathesis.openapi.format("endpoint", ENDPOINTS)

CONFIG = Path(__file__).with_name("schemathesis.toml")
WORLD = World()


def document(said: dict):
    """A document with the configuration of its own."""
    return schemathesis.openapi.from_dict(said, config=SchemathesisConfig.from_path(CONFIG))


# What tells it from the other document of the registry, in hooks.
SIGNED = "x-signed"
signed, unsigned, node = document(REGISTRY.said | {SIGNED: True}), document(REGISTRY.said), document(NODE.said)
signed.auth.set_from_requests(WORLD)
# Signatures are not made up where there are real ones.
signed.config.generation.with_security_parameters = False


@schemathesis.hook
def before_call(context, case, kwargs):
    """Requests to the registry are about somebody."""
    if SIGNED in case.operation.schema.raw_schema:
        WORLD.before_call(case)


@schemathesis.hook
def after_call(context, case, response):
    """Answers to what is signed are remembered."""
    if SIGNED in case.operation.schema.raw_schema:
        WORLD.after_call(case, response)


@pytest.fixture(scope="module")
def root(network):
    """A root registry, and members in it."""
    WORLD.settle(network)
    return WORLD.base_url


@pytest.fixture(scope="module")
def secondary(network):
    """A registry that follows the root."""
    return base_url(network.secondary("secondary").service)


@pytest.fixture(scope="module")
def one(network):
    """A node that is well."""
    return base_url(network.node("one").service)


@signed.parametrize()
def test_a_registry_answers_what_is_signed_as_its_document_says(case, root):
    case.call_and_validate(base_url=root)


def test_every_success_that_is_documented_was_met(root):
    for name, operation in REGISTRY.operations.items():
        # A root queues nothing.
        successes = {int(status) for status in operation.said["responses"]} & {200, 201}
        assert successes <= WORLD.met[name], name


def test_one_step_after_another_goes_as_the_document_says(root):
    found = []

    class Steps(signed.as_state_machine()):
        """Requests that are about what those before them have made, beginning with nothing."""

        def setup(self):
            WORLD.clear()

        def get_call_kwargs(self, case):
            return {"base_url": root}

        def validate_response(self, *arguments, **more):
            try:
                super().validate_response(*arguments, **more)
            except FailureGroup as failures:
                found.append(failures)
                raise

    try:
        Steps.run()
    except Exception as error:
        # Peers are drawn, and so steps may go another way when they are taken again. That is no finding.
        if found or not (isinstance(error, Flaky) or is_inconsistent_replay(error)):
            raise
    assert not found


@unsigned.parametrize()
def test_a_secondary_answers_what_is_not_signed_as_its_document_says(case, secondary):
    case.call_and_validate(base_url=secondary)


@node.parametrize()
def test_a_node_answers_as_its_document_says(case, one):
    case.call_and_validate(base_url=one)
