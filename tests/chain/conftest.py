"""One development node for the package's tests, and helpers to run coroutines against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from coprocessor.chain.deployment import DeploymentOptions
from coprocessor.chain.development import development_keys
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient, RpcOptions
from coprocessor.values.identities import Address, Digest
from coprocessor.values.network import AttestationFloor, Custodian
from tests.support.node import DevNode, run_dev_node

T = TypeVar("T")


@pytest.fixture(scope="module")
def dev_node() -> Iterator[DevNode]:
    with run_dev_node() as node:
        yield node


@pytest.fixture
def run() -> Callable[[Callable[[], Awaitable[Any]]], Any]:
    """Runs an async function to its end."""
    return lambda function: asyncio.run(function())


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Node]:
    async with RpcClient(url, RpcOptions(**options)) as rpc:
        yield Node(rpc)


def deployment_options(sealer: str) -> DeploymentOptions:
    return DeploymentOptions(
        sealers=(Address(bytes.fromhex(sealer[2:])),),
        finality="development",
        attestation=AttestationFloor((Digest(b"r" * 32),), (Digest(b"m" * 32),), 0, 5),
        allow_simulated=True,
        development=True,
        guardian=development_keys()[0].address,
        custodian=Custodian("file"),
    )
