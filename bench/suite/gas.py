"""Gas: sealed commands by batch, receipts, deliveries, code; on the embedded node, and the same on anvil.

A command is a real one, signed and sealed: 200 bytes with its program's handle, as PROTOCOL 4.3 counts, of which 50 are
arguments. The same bytes go to both chains; a figure tells how far they differ, which should be nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from bench.figures import Figure
from bench.nodes import anvil, connected, development_node
from bench.rig import Rig, known_digest, known_key, open_rig
from bench.scene import Scene
from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.contract import Contract
from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.protocol.commands import COMMAND_OVERHEAD, Command, Destination, method_selector, seal_command
from coprocessor.protocol.items import GROUP_HEADER, ITEM_HEADER, ClearItem, encode_items
from coprocessor.protocol.links import MAX_LINK_PAYLOAD, LinkKind
from coprocessor.protocol.outputs import Leaf, compute_outputs_root, prove_output
from coprocessor.values.identities import ZERO_DIGEST, Digest, NetworkId, ProgramId, RequestId

__all__ = ["BATCHES", "HANDLE_BYTES", "LARGEST_BATCH", "SEALED_BYTES", "run", "seal_batch"]

COMMAND_BYTES = 200
HANDLE_BYTES = 4
SEALED_BYTES = COMMAND_BYTES - HANDLE_BYTES
LARGEST_BATCH = (MAX_LINK_PAYLOAD - GROUP_HEADER) // (ITEM_HEADER + SEALED_BYTES)
"""Commands of 200 bytes that fit into one link; 600 do not."""

BATCHES = (1, 10, 100, LARGEST_BATCH)
REPETITIONS = 3
_RING = 256
_FUEL = 1_000_000
_FEE = 10**9
_CALLBACK_GAS = 150_000
_LEAVES = 64
_PUBLISHED = 64 * 1024

_Node = Callable[[Path], AbstractContextManager[str]]


def run(scene: Scene) -> list[Figure]:
    """Both chains."""
    scene.rest()
    batches = {size: seal_batch(size) for size in BATCHES}
    figures = _measure(scene, development_node, batches)
    names = {figure.name: figure for figure in figures}
    if scene.quick:
        return figures
    oracle = _measure(scene, anvil, batches)
    differences = tuple(abs(figure.median - names[figure.name].median) for figure in oracle)
    note = "greatest difference of a figure above; receipts hold block hashes, whose zero bytes are cheaper"
    return [*figures, Figure("gas.difference to anvil", "gas", (max(differences),), note=note)]


def _measure(scene: Scene, start: _Node, batches: dict[int, bytes]) -> list[Figure]:
    scene.say(f"  {start.__name__}")
    with start(scene.new_folder("chain")) as url:
        return asyncio.run(_measure_at(url, batches, 1 if scene.quick else REPETITIONS, fill=not scene.quick))


async def _measure_at(url: str, batches: dict[int, bytes], repetitions: int, *, fill: bool) -> list[Figure]:
    async with connected(url) as node:
        rig = await open_rig(node)
        figures = await _submissions(rig, batches, repetitions, fill=fill)
        for quorum in (1, 2, 3):
            figures.append(await _settlement(rig, quorum, repetitions))
        return [*figures, await _publication(rig), *await _requests(rig)]


async def _submissions(rig: Rig, batches: dict[int, bytes], repetitions: int, *, fill: bool) -> list[Figure]:
    """Batches, and single items with and without fees, once the ring of heads is full where ``fill``."""
    cluster = (await rig.create_cluster("commands", 1)).id
    if fill:
        links = _RING - int(await rig.contracts["Inbox"].read("counts", cluster))
        await asyncio.gather(*(rig.send("Inbox", "submit", cluster, 0, 0, b"") for _ in range(links)))
    figures = []
    for size, payload in batches.items():
        values = []
        for _ in range(repetitions):
            sent = await rig.send("Inbox", "submit_batch", cluster, size, size * _FUEL, 0, payload)
            values.append(sent.gas_used / size)
        figures.append(Figure(f"gas.batch of {size}.{COMMAND_BYTES} bytes", "gas/command", tuple(values)))
    await rig.send("Fees", "deposit", rig.user.address, value=10**15)
    for name, fee in (("submit", 0), ("submit with fees", _FEE)):
        gas = [
            (await rig.send("Inbox", "submit", cluster, _FUEL, fee, batches[1])).gas_used
            for _ in range(repetitions + 1)
        ]
        figures.append(Figure(f"gas.{name}", "gas", tuple(float(value) for value in gas[1:]), note="one command"))
    return figures


async def _settlement(rig: Rig, quorum: int, repetitions: int) -> Figure:
    cluster = await rig.create_cluster(f"settlement {quorum}", quorum)
    values = []
    for _ in range(repetitions + 1):
        await rig.send("Inbox", "submit", cluster.id, 0, 0, b"item")
        values.append(float((await rig.settle(cluster)).gas_used))
    note = "a receipt over any number of links; not a cluster's first"
    return Figure(f"gas.settle, {quorum} signed", "gas", tuple(values[1:]), note=note)


async def _publication(rig: Rig) -> Figure:
    code = b"\xc0" * _PUBLISHED
    sent = await rig.send("Programs", "publish", known_digest("upload"), 0, True, code)
    return Figure("gas.publish, a KB", "gas", (sent.gas_used / (_PUBLISHED / 1024),), note="of 64 KB without zeros")


async def _requests(rig: Rig) -> list[Figure]:
    """A program, a contract that asks it, and the answer's way back: the auction of the examples."""
    cluster = await rig.create_cluster("requests", 1)
    await rig.send("Programs", "publish", known_digest("code"), 0, True, b"\xc0" * 1024)
    code_hash = keccak256(bytes(32) + keccak256(b"\xc0" * 1024))
    salt, init = known_digest("salt"), b"\xa5" * 64
    made = await rig.send("Programs", "instantiate", code_hash, cluster.id, salt, ZERO_DIGEST, [], init, _FUEL)
    program = ProgramId(rig.contracts["Programs"].events(made.logs, "Instantiated")[0]["program"])
    artifact = load_artifact("AuctionHouse")
    addresses = [rig.contracts[name].address for name in ("Inbox", "Fees", "Settlement")]
    created = await rig.user.send(None, artifact.init_code(*addresses, program))
    assert created.contract_address is not None
    house = Contract(rig.node, created.contract_address, artifact.interface)
    asked = await rig.user.send(house.address, house.encode("close", _FUEL, 0, _CALLBACK_GAS))
    requested = rig.contracts["Inbox"].events(asked.logs, "Requested")[0]
    result = abi.encode(["address", "uint256"], [rig.user.address, 75])
    leaf = Leaf(
        requested["link"],
        0,
        program,
        RequestId(requested["request"]),
        0,
        7,
        keccak256(salt + result),
        Digest(ZERO_DIGEST),
    )
    leaves = [leaf.digest(), *(known_digest(f"leaf {at}") for at in range(_LEAVES - 1))]
    settled = await rig.settle(cluster, compute_outputs_root(leaves))
    number = rig.contracts["Settlement"].events(settled.logs, "Settled")[0]["receipt_number"]
    proof = prove_output(leaves, 0)
    place = (proof.index, proof.count, list(proof.siblings))
    fields = tuple(getattr(leaf, name) for name in Leaf.__slots__)
    delivered = await rig.send("Settlement", "deliver", cluster.id, number, fields, salt, result, *place)
    if not await house.read("closed"):
        raise RuntimeError("the callback did not take the result")
    return [
        Figure("gas.instantiate", "gas", (float(made.gas_used),)),
        Figure("gas.request", "gas", (float(asked.gas_used),), note="by the auction house"),
        Figure("gas.deliver", "gas", (float(delivered.gas_used),), note=f"one of {_LEAVES} outputs, with its callback"),
    ]


def seal_batch(count: int) -> bytes:
    """The payload of a link with so many commands of distinct authors."""
    program = ProgramId(known_digest("program"))
    input_key = SealingKey(known_digest("input key")).public_key
    destination = Destination(
        network=NetworkId(known_digest("network")),
        chain_id=31337,
        inbox=known_key("inbox").address,
        program=program,
        epoch=1,
        kind=LinkKind.BATCH,
        origin=known_key("relayer").address,
    )
    items = []
    for at in range(count):
        seed = known_digest(f"arguments {at}")
        arguments = (seed + keccak256(seed))[: SEALED_BYTES - COMMAND_OVERHEAD]
        command = Command(method_selector("transfer"), arguments, at, 1_900_000_000, _FUEL, 0, seed[:16])
        sealed = seal_command(command, destination, known_key(f"author {at}"), input_key)
        items.append(ClearItem(1, _FUEL, 0, sealed))
    return encode_items(items)
