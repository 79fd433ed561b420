"""Epochs at scale: a worker is revoked, and a cluster of many programs changes its keys under queries and commands.

The clock starts with the guardian's ``revoke``. A member's host removes the worker and raises the epoch by itself;
every program's input key comes to the chain, state is sealed again, a quorum signs the boundary, a gatekeeper holds
the checkpoint, and the older epoch is closed. Meanwhile clients ask and send all the time; one failure fails the run.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bench.figures import Figure
from bench.joining import Joining, joining_worker
from bench.network import TOKENS, BenchNetwork, prepare_machine, running_network
from bench.scene import Scene
from coprocessor.chain.development import development_keys
from coprocessor.client.deployment import encode_init
from coprocessor.client.network import AsyncProgram
from coprocessor.crypto.hashing import keccak256
from coprocessor.host.supervisor import DEPLOYER_INDEX
from coprocessor.protocol import layout
from coprocessor.values.identities import ProgramId, from_hex

__all__ = ["PROGRAMS", "run"]

PROGRAMS = (100, 1000)
CLIENTS = 4
ASKED = 32
"""Programs among which the clients choose."""

COMMAND_SECONDS = 0.5
SECONDS = 240.0
_LOOK_SECONDS = 0.1
_TOGETHER = 50
_FUEL = 10_000_000
_EPOCH, _FIRST_OPEN = 1, 8


@dataclass(slots=True)
class _Traffic:
    """What clients did meanwhile."""

    queries: int = 0
    slowest: float = 0.0
    commands: int = 0
    failures: list[str] = field(default_factory=list)


def run(scene: Scene) -> list[Figure]:
    """Each number of programs, on a network of its own."""
    scene.rest()
    counts = (3,) if scene.quick else PROGRAMS
    return [figure for count in counts for figure in measure(scene, count)]


def measure(scene: Scene, count: int) -> list[Figure]:
    """One number of programs. Raises RuntimeError where a query or a command failed."""
    with running_network(scene.new_folder("net-epochs"), "raw") as network:
        programs = network.run(_instantiate(network, count))
        scene.say(f"  {count} programs run")
        data = scene.new_folder("to-be-revoked")
        prepare_machine(data)
        with joining_worker(network, data) as worker:
            worker.until(lambda status: status["step"] == "running", SECONDS)
            _await_programs(network, worker)
            seconds, traffic = network.run(_contain(network, worker, programs))
    scene.say(f"  {count} programs: {seconds}, {traffic.queries} queries, {traffic.commands} commands")
    if traffic.failures:
        raise RuntimeError(f"{len(traffic.failures)} failures during the rotation, the first: {traffic.failures[0]}")
    name, note = f"epochs.{count} programs", "from the guardian's revoke on"
    return [
        *(Figure(f"{name}.{step}", "s", (value,), note=note) for step, value in seconds.items()),
        Figure(f"{name}.slowest query", "s", (traffic.slowest,), note=f"of {traffic.queries}; none failed"),
    ]


async def _instantiate(network: BenchNetwork, count: int) -> list[ProgramId]:
    """The token, and as many more instances of its code as there should be."""
    session, token = network.net.session, network.token
    contract, sender = session.contracts["Programs"], session.sender(network.net.author)
    record = token.record
    init = encode_init(record.interface, TOKENS["raw"].init)
    made = [record.program]

    async def make(at: int) -> ProgramId:
        salt = keccak256(b"instance %d" % at)
        call = contract.encode("instantiate", record.code_hash, record.cluster, salt, bytes(32), [], init, _FUEL)
        sent = await sender.send(contract.address, call)
        return ProgramId(contract.events(sent.logs, "Instantiated")[0]["program"])

    for first in range(1, count, _TOGETHER):
        made += await asyncio.gather(*(make(at) for at in range(first, min(first + _TOGETHER, count))))
    await _until(lambda: _keys_recorded(network, made, 1), "the programs' first keys")
    return made


def _await_programs(network: BenchNetwork, worker: Joining) -> None:
    async def links() -> int:
        return int(await network.net.session.contracts["Inbox"].read("counts", network.token.record.cluster))

    there = network.run(links())
    worker.until(lambda status: status["executed"] >= there, SECONDS)


async def _contain(
    network: BenchNetwork, worker: Joining, programs: list[ProgramId]
) -> tuple[dict[str, float], _Traffic]:
    """Seconds until each step, and what the traffic met."""
    session, cluster = network.net.session, network.token.record.cluster
    status = await session.workers.api.status(worker.url)
    revoked = from_hex(status["worker"], 32, "worker")
    asked = [await network.net.program(program) for program in programs[:ASKED]]
    traffic = _Traffic()
    ended = asyncio.Event()
    tasks = [asyncio.create_task(_ask(asked, traffic, ended, at)) for at in range(CLIENTS)]
    tasks.append(asyncio.create_task(_send(network.token, traffic, ended)))
    await asyncio.sleep(1.0)
    guardian, registry = session.sender(development_keys()[DEPLOYER_INDEX]), session.contracts["Registry"]
    began = time.perf_counter()
    await guardian.send(registry.address, registry.encode("revoke", revoked))
    seconds = {}

    async def field_is(index: int) -> bool:
        return bool((await session.contracts["Clusters"].read("clusters", cluster))[index] == 2)

    steps: dict[str, Callable[[], Awaitable[bool]]] = {
        "raised": lambda: field_is(_EPOCH),
        "keys": lambda: _keys_recorded(network, programs, 2),
        "closed": lambda: field_is(_FIRST_OPEN),
    }
    for name, holds in steps.items():
        await _until(holds, name)
        seconds[name] = time.perf_counter() - began
    await asyncio.sleep(1.0)
    ended.set()
    await asyncio.gather(*tasks)
    return seconds, traffic


async def _ask(programs: list[AsyncProgram], traffic: _Traffic, ended: asyncio.Event, seed: int) -> None:
    """One client that asks one program after the other."""
    chance = random.Random(seed)
    while not ended.is_set():
        program, began = chance.choice(programs), time.perf_counter()
        try:
            await program.query("balance_of", bytes(20))
            traffic.queries += 1
        except Exception as error:  # whatever it is, somebody did not get an answer
            traffic.failures.append(f"query: {type(error).__name__}: {error}")
        traffic.slowest = max(traffic.slowest, time.perf_counter() - began)


async def _send(token: AsyncProgram, traffic: _Traffic, ended: asyncio.Event) -> None:
    """One client that sends a command now and then; all of them must succeed in the end."""
    handles: list[Any] = []
    while not ended.is_set():
        try:
            handles.append(await token.call("transfer", recipient=b"\x11" * 20, amount=1))
        except Exception as error:
            traffic.failures.append(f"command: {type(error).__name__}: {error}")
        await asyncio.sleep(COMMAND_SECONDS)
    for handle in handles:
        try:
            await handle.result(SECONDS)
            traffic.commands += 1
        except Exception as error:
            traffic.failures.append(f"result: {type(error).__name__}: {error}")


async def _keys_recorded(network: BenchNetwork, programs: list[ProgramId], epoch: int) -> bool:
    session = network.net.session
    contract = session.contracts["Programs"]
    for first in range(0, len(programs), 128):
        slots = [layout.input_key(program, epoch) for program in programs[first : first + 128]]
        answer = await session.node.proof(contract.address, slots, "latest")
        if not all(slot.value for slot in answer.slots):
            return False
    return True


async def _until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.perf_counter() + SECONDS
    while not await holds():
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{what}: not within {SECONDS:.0f} s")
        await asyncio.sleep(_LOOK_SECONDS)
