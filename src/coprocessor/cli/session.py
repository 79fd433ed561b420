"""Running an asynchronous command against a network."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from coprocessor.cli.options import network_of
from coprocessor.client.network import AsyncNetwork, aconnect

__all__ = ["run_on_network"]


def run_on_network(arguments: argparse.Namespace, work: Callable[[AsyncNetwork], Awaitable[int]]) -> int:
    """Connects to the network that the command line names, runs ``work`` and closes."""

    async def connected() -> int:
        async with await aconnect(network_of(arguments), key=getattr(arguments, "key", None), rpc=arguments.rpc) as net:
            return await work(net)

    return asyncio.run(connected())
