"""A node as a process: which kind it is, its line on standard output, its end by a signal."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AbstractAsyncContextManager

import msgspec

from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.running import RunningNode

__all__ = ["run_node", "serve"]


def serve(options: NodeOptions) -> AbstractAsyncContextManager[RunningNode]:
    """A node in this event loop, of the kind that the options ask for; stops when the block ends.

    Raises:
        StartFailed: the folder is in use or damaged, the port is taken, the key file is bad, or there is no upstream.
    """
    # Imported here since py-evm takes over a second, and a node before another one does without it.
    if options.upstream is not None:
        from coprocessor.devnode.upstream import serve_upstream

        return serve_upstream(options)
    from coprocessor.devnode.node import serve_chain

    return serve_chain(options)


def run_node(options: NodeOptions) -> None:
    """Serve until SIGTERM or SIGINT; prints one line of JSON once ready. Raises StartFailed."""
    asyncio.run(_serve_until_signal(options))


async def _serve_until_signal(options: NodeOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serve(options) as node:
        sys.stdout.write(msgspec.json.encode(node.to_dict()).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()
