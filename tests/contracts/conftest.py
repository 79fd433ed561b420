"""The chains that every test of the contracts runs on: the development node and anvil."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.contracts.evm import Evm, KeptConnection
from tests.contracts.network import TestNetwork
from tests.support.anvil import run_anvil
from tests.support.node import run_dev_node

# Tests look back 30 blocks at most; without this anvil writes every older state to disk, which costs most of its time.
ANVIL_OPTIONS = ("--prune-history", "64")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--update-gas``, known when pytest is called on this folder."""
    parser.addoption("--update-gas", action="store_true", help="rewrite tests/contracts/gas.json")


@pytest.fixture(scope="session")
def dev_evm() -> Iterator[Evm]:
    """The development node in a process of its own."""
    with run_dev_node() as node, closing(KeptConnection(node.url)) as client:
        yield Evm(client, "devnode")


@pytest.fixture(scope="session", params=["devnode", "anvil"])
def evm(request: pytest.FixtureRequest) -> Iterator[Evm]:
    """Each chain in turn."""
    if request.param == "devnode":
        yield request.getfixturevalue("dev_evm")
        return
    with run_anvil(*ANVIL_OPTIONS, hardfork="prague") as anvil, closing(KeptConnection(anvil.url)) as client:
        yield Evm(client, "anvil")


@pytest.fixture(scope="session")
def network(evm: Evm) -> TestNetwork:
    """One network per chain; tests make clusters, programs and workers of their own in it."""
    return TestNetwork(evm)
