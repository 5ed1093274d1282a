"""What the tests share: one network for each file of tests."""

import pytest

from services import Network


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network with a root registry."""
    made = Network(tmp_path_factory.mktemp("network"))
    yield made
    # A service that died meanwhile did not do its work, whatever it had answered before.
    gone = [program for program in made.programs if not program.is_running]
    made.end()
    assert not gone, "a service has ended by itself"
