"""What to compare with, measured in the same run: the same token as a contract on anvil, and this machine's limits.

The limits are of one core, called from Python with nothing of ours around them. The share of cryptography that no
design of sealed, signed commands avoids is one HPKE opening and one recovery a command.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import limits
from bench.figures import Figure, time_each
from bench.network import ROOT
from bench.nodes import anvil, connected
from bench.scene import Scene
from coprocessor.chain.contract import Interface
from coprocessor.chain.development import development_keys
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import Call
from coprocessor.chain.sender import TransactionSender
from coprocessor.codec.transaction import SignedTransaction, Transaction
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.values.identities import Address

__all__ = ["compile_token", "run"]

REPETITIONS = 9
CALLS = 2000
TRANSFERS = 1500
TRANSFER_REPETITIONS = 5
_IN_ONE_REQUEST = 100
_SUPPLY = 10**15
_GAS = 100_000
_SECONDS = 60.0


def run(scene: Scene) -> list[Figure]:
    """Limits first, then the contract; a quick run leaves the contract out, since anvil may have to be fetched."""
    scene.rest()
    figures = _limits(scene.quick)
    if not scene.quick:
        with anvil(scene.new_folder("anvil")) as url:
            figures += asyncio.run(_measure_contract(scene, url))
    return figures


def _limits(is_quick: bool) -> list[Figure]:
    repetitions, calls = (2, 5) if is_quick else (REPETITIONS, CALLS)

    def measure(name: str, function: Callable[[], Any], note: str = "") -> Figure:
        values = time_each(function, repetitions=repetitions, calls=calls)
        return Figure(f"baseline.{name}", "us", values, note=note)

    opened = measure("HPKE open", limits.hpke_open(), "a command of 148 bytes")
    recovered = measure("ECDSA recover", limits.ecdsa_recover())
    both = [1e6 / (one + other) for one, other in zip(opened.values, recovered.values, strict=True)]
    wasm = run_on_guest_stack(lambda: measure("wasmtime call", limits.wasmtime_call(), "C token, fresh instance"))
    return [
        opened,
        recovered,
        Figure("baseline.open and recover", "commands/s", tuple(both), "higher", "both of a command, on one core"),
        measure("SHA-256 of 64 bytes", limits.sha256_of(64)),
        measure("SHA-256 of 100 KB", limits.sha256_of(100_000)),
        measure("keccak of 64 bytes", limits.keccak_of(64)),
        measure("keccak of 100 KB", limits.keccak_of(100_000)),
        wasm,
    ]


def compile_token(path: Path = ROOT / "bench" / "programs" / "token.vy") -> tuple[bytes, Interface]:
    """Init code without arguments, and the interface, of the Vyper token."""
    import vyper

    compiled = vyper.compile_code(path.read_text("utf-8"), output_formats=("bytecode", "abi"))
    return bytes.fromhex(compiled["bytecode"][2:]), Interface(compiled["abi"])


async def _measure_contract(scene: Scene, url: str) -> list[Figure]:
    code, interface = compile_token()
    async with connected(url) as node:
        owner = development_keys()[0]
        sender = TransactionSender(node, owner)
        created = await sender.send(None, code + interface.encode_constructor(_SUPPLY))
        assert created.contract_address is not None
        rates, gas = [], []
        await node.rpc.call("evm_setAutomine", False)  # mining at once, anvil leaves some of a crowd behind
        nonce = await node.transaction_count(owner.address)
        for _ in range(TRANSFER_REPETITIONS):
            signed = _sign_transfers(interface, created.contract_address, nonce)
            nonce += len(signed)
            seconds, used = await _run_transfers(node, signed)
            rates.append(len(signed) / seconds)
            gas.append(float(used))
        scene.say(f"  Vyper token on anvil: {rates[-1]:.0f} transfers/s, {gas[-1]:.0f} gas each")
        note = "the same transfers, in the open, signed before the clock starts, in blocks as full as they can be"
        return [
            Figure("baseline.Vyper token on anvil", "commands/s", tuple(rates), "higher", note),
            Figure("baseline.Vyper token's gas", "gas/command", tuple(gas), note="a transfer in its own transaction"),
        ]


def _sign_transfers(interface: Interface, token: Address, nonce: int) -> list[SignedTransaction]:
    owner, recipients = development_keys()[0], development_keys()[1:]
    transfer = interface.function("transfer")
    signed = []
    for at in range(TRANSFERS):
        data = transfer.encode(recipients[at % len(recipients)].address, 1)
        signed.append(Transaction(31337, nonce + at, _GAS, 10**11, 1, token, 0, data).sign(owner))
    return signed


async def _run_transfers(node: Node, signed: Sequence[SignedTransaction]) -> tuple[float, int]:
    """Seconds until the last transfer is in a block, and its gas. Raises RuntimeError where it fails."""
    began = time.perf_counter()
    for at in range(0, len(signed), _IN_ONE_REQUEST):
        part = signed[at : at + _IN_ONE_REQUEST]
        await node.rpc.batch([Call("eth_sendRawTransaction", ("0x" + one.raw.hex(),)) for one in part], into=str)
    while (last := await node.receipt(signed[-1].hash)) is None:
        if time.perf_counter() - began > _SECONDS:
            raise TimeoutError("the last transfer came into no block")
        await node.rpc.call("evm_mine")
    seconds = time.perf_counter() - began
    if not last.succeeded:
        raise RuntimeError("the last transfer failed")
    return seconds, last.gas_used
