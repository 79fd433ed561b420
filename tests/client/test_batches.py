"""How a batch is cut into links, and what sealing binds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.client.network import split_batch
from coprocessor.client.programs import InputKey, ProgramRecord
from coprocessor.client.sealing import CallOptions, SealedItem, Sealer, SealingContext
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.protocol.commands import Destination, open_command
from coprocessor.protocol.interface import Interface, Method
from coprocessor.protocol.interface_types import parse_type
from coprocessor.protocol.items import ClearItem, encode_items
from coprocessor.protocol.links import MAX_ITEMS, MAX_LINK_PAYLOAD, LinkKind
from coprocessor.values.errors import CallerMisuse, EvidenceRefused
from coprocessor.values.identities import Address, ClusterId
from tests.support.receipt_world import CLUSTER, CODE_HASH, PROGRAM, World, key

METHOD = Method("vote", "command", (), parse_type("int"))
INPUT = SealingKey(bytes(range(32)))


def record(cluster: ClusterId = CLUSTER) -> ProgramRecord:
    return ProgramRecord(PROGRAM, Address(bytes(20)), cluster, CODE_HASH, 3, Interface("N", "python", {}))


def item(size: int, cluster: ClusterId = CLUSTER, fuel: int = 1) -> SealedItem:
    return SealedItem(record(cluster), METHOD, ClearItem(3, fuel, 0, bytes(size)), key(1), 0)


def test_small_items_share_one_link() -> None:
    assert [len(part) for part in split_batch([item(200)] * 200)] == [200]
    assert split_batch([]) == []


def test_too_many_too_long_or_of_another_cluster_are_cut() -> None:
    other = ClusterId(keccak256(b"other"))
    assert [len(part) for part in split_batch([item(10)] * (MAX_ITEMS + 1))] == [MAX_ITEMS, 1]
    assert [len(part) for part in split_batch([item(60_000)] * 2)] == [1, 1]
    assert [len(part) for part in split_batch([item(1), item(1, other), item(1)])] == [1, 1, 1]


@pytest.mark.parametrize("size", [196, 1000])
def test_links_of_one_group_are_as_full_as_they_can_be(size: int) -> None:
    (first, *_) = split_batch([item(size)] * (MAX_ITEMS + 1))
    assert len(encode_items([one.clear for one in first])) <= MAX_LINK_PAYLOAD
    assert len(encode_items([one.clear for one in [*first, item(size)]])) > MAX_LINK_PAYLOAD


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 3)), max_size=40))
def test_every_part_fits_into_a_link_and_order_is_kept(sizes: list[tuple[int, int]]) -> None:
    items = [item(size, fuel=fuel) for size, fuel in sizes]
    parts = split_batch(items)
    assert [one for part in parts for one in part] == items
    for part in parts:
        assert len(encode_items([one.clear for one in part])) <= MAX_LINK_PAYLOAD


def sealed(relayer: Address | None) -> tuple[SealedItem, Destination]:
    world = World()
    sealer = Sealer(world.network, world.network_id)
    context = SealingContext(InputKey(1, INPUT.public_key), now=1_000)
    one = sealer.seal(record(), METHOD, b"[]", context, key(5), relayer, CallOptions(fuel=77, fee=9))
    kind, origin = (LinkKind.SUBMIT, key(5).address) if relayer is None else (LinkKind.BATCH, relayer)
    inbox = world.network.configuration.contract("Inbox").address
    return one, Destination(world.network_id, 31337, inbox, PROGRAM, 1, kind, origin)


@pytest.mark.parametrize("relayer", [None, Address(b"r" * 20)])
def test_a_sealed_command_opens_where_it_was_sealed_for(relayer: Address | None) -> None:
    one, destination = sealed(relayer)
    opened = open_command(one.clear.sealed, destination, INPUT, 77, 9)
    assert opened.author == key(5).address
    assert (opened.command.method, opened.command.arguments) == (METHOD.selector, b"[]")
    assert opened.command.nonce == one.nonce
    assert opened.command.deadline == 4_600


def test_another_relayer_cannot_bring_it() -> None:
    one, _ = sealed(Address(b"r" * 20))
    _, elsewhere = sealed(Address(b"s" * 20))
    with pytest.raises(EvidenceRefused):
        open_command(one.clear.sealed, elsewhere, INPUT, 77, 9)


@pytest.mark.parametrize("options", [{"fuel": 0}, {"fuel": 10**18}, {"fee": -1}, {"fee": 2**96}])
def test_impossible_limits_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(CallerMisuse):
        CallOptions(**options)


def test_nonces_and_ciphertexts_never_repeat() -> None:
    ones = [sealed(None)[0] for _ in range(20)]
    assert len({one.nonce for one in ones}) == len({one.clear.sealed for one in ones}) == 20
