"""Sealed commands in wrong hands: copies are void, nonces stay good, outputs open to their author alone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Protocol

import pytest

from coprocessor.chain.development import development_keys
from coprocessor.client.calls import CallHandle, submit, submit_together
from coprocessor.client.network import AsyncNetwork, AsyncProgram, aconnect
from coprocessor.client.sealing import CallOptions, SealedItem
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.commands import derive_reply_secret
from coprocessor.protocol.outputs import Status, derive_output_keys, open_output
from coprocessor.values.errors import CoprocessorError, EvidenceRefused
from tests.support.live import LiveNetwork, wait_until

Scene = Callable[[AsyncNetwork, AsyncProgram, int], Awaitable[None]]

VICTIM, ATTACKER, RELAYER = development_keys()[3:6]


@pytest.fixture(scope="module")
def amounts() -> Iterator[int]:
    """Amounts that no other test adds."""
    return count(1_000)


class Play(Protocol):
    """Plays a scene on the network with its counter and an amount that no other test adds."""

    def __call__(self, scene: Scene, key: PrivateKey | None = None) -> None:
        """``key``: who acts, where that is not the network's default."""


@pytest.fixture
def play(network: LiveNetwork, counter: str, amounts: Iterator[int]) -> Play:
    def run(scene: Scene, key: PrivateKey | None = None) -> None:
        async def main() -> None:
            async with await aconnect(network.folder, key=key) as net:
                await scene(net, await net.program(counter), next(amounts))

        asyncio.run(main())

    return run


async def sealed(program: AsyncProgram, amount: int, relayer: bytes | None = None) -> SealedItem:
    method = program.record.interface.method("add")
    context = await program.sealing_context()
    encoded = method.encode_arguments([amount])
    return program.seal_encoded(method, encoded, context, VICTIM, relayer)  # type: ignore[arg-type]


def stolen(item: SealedItem) -> SealedItem:
    """The same ciphertext in the attacker's hands."""
    return replace(item, author=ATTACKER)


async def assert_void(handle: CallHandle, rule: str) -> None:
    with pytest.raises(EvidenceRefused, match=rule) as caught:
        await handle.result()
    assert caught.value.code == "call.void"


async def count_of(program: AsyncProgram) -> int:
    return int(await program.query("get"))


def test_a_copy_by_either_entry_point_is_void_and_the_victims_nonce_stays_good(play: Play) -> None:
    async def scene(net: AsyncNetwork, program: AsyncProgram, amount: int) -> None:
        before = await count_of(program)
        item = await sealed(program, amount)
        await assert_void(await submit(net.session, stolen(item)), "void.sealed")
        (copy,) = await submit_together(net.session, [stolen(item)], ATTACKER)
        await assert_void(copy, "void.sealed")
        assert await count_of(program) == before
        assert await (await submit(net.session, item)).result() == before + amount

    play(scene)


def test_a_batch_with_one_item_twice_counts_it_once(play: Play) -> None:
    async def scene(net: AsyncNetwork, program: AsyncProgram, amount: int) -> None:
        before = await count_of(program)
        item = await sealed(program, amount, RELAYER.address)
        first, second = await submit_together(net.session, [item, item], RELAYER)
        assert await first.result() == before + amount
        await assert_void(second, "void.replayed")
        (elsewhere,) = await submit_together(net.session, [item], ATTACKER)
        await assert_void(elsewhere, "void.sealed")
        assert await count_of(program) == before + amount

    play(scene)


def test_nonces_are_remembered_by_a_fresh_enclave(play: Play, network: LiveNetwork) -> None:
    async def scene(net: AsyncNetwork, program: AsyncProgram, amount: int) -> None:
        item = await sealed(program, amount)
        await (await submit(net.session, item)).result()
        before = await count_of(program)
        restart_enclave(network)
        again = await submit(net.session, item)
        await assert_void(again, "void.replayed")
        assert await count_of(program) == before

    play(scene)


def restart_enclave(network: LiveNetwork) -> None:
    worker = network.worker()
    os.kill(worker["enclave_pid"], signal.SIGKILL)

    def is_new() -> bool:
        now = network.worker()
        return now["enclave_pid"] not in (None, worker["enclave_pid"]) and now["state"] == "running"

    wait_until(is_new, 120)


def test_an_output_opens_to_its_author_alone(play: Play) -> None:
    async def scene(net: AsyncNetwork, program: AsyncProgram, amount: int) -> None:
        item = await sealed(program, amount)
        handle = await submit(net.session, item)
        outcome = await handle.outcome()
        assert outcome.status is Status.OK
        for thief in (ATTACKER, PrivateKey(keccak256(b"thief"))):
            with pytest.raises(EvidenceRefused):
                _open(net, item, handle, thief)

    play(scene)


def _open(net: AsyncNetwork, item: SealedItem, handle: CallHandle, key: PrivateKey) -> bytes:
    """The output, opened with what ``key`` can derive; even the nonce is known to it."""
    assert handle._outcome is not None
    served = handle._outcome.settled.served
    secret = derive_reply_secret(key, net.session.network_id, item.record.program, item.nonce)
    keys = derive_output_keys(secret, net.session.network_id, served.link_hash, served.leaf.position)
    return open_output(served.output, keys, served.leaf, net.session.network_id)


def test_many_authors_in_one_batch_each_get_their_own_result(play: Play) -> None:
    async def scene(net: AsyncNetwork, program: AsyncProgram, amount: int) -> None:
        before = await count_of(program)
        authors = [PrivateKey(keccak256(b"author %d" % at)) for at in range(20)]
        batch = net.batch(RELAYER)
        for author in authors:
            await batch.add(program, "add", amount, author=author)
        handles = await batch.submit()
        assert len(batch) == 0
        results = [await handle.result() for handle in handles]
        assert results == [before + amount * (at + 1) for at in range(len(authors))]
        assert len({handle.handle.transaction for handle in handles}) == 1

    play(scene)


def test_a_fee_limit_is_deposited_by_itself(play: Play) -> None:
    async def scene(net: AsyncNetwork, program: AsyncProgram, amount: int) -> None:
        handle = await program.call("add", amount, options=CallOptions(fee=10**15))
        await handle.result()
        held = int(await net.session.contracts["Fees"].read("balances", VICTIM.address))
        assert held == 0
        with pytest.raises(CoprocessorError):
            await program.call("add", 1, options=CallOptions(fee=1 << 95))

    play(scene, key=VICTIM)
