"""The worker's cache: what goes in comes out, it stays bounded, and a bad file is thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest

from coprocessor.enclave.messages import ItemOutput, LinkExecuted
from coprocessor.host.store import SettledReceipt, Store
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.identities import ZERO_DIGEST, ClusterId, Digest, NetworkId, RuntimeId, StateRoot

NETWORK, CLUSTER = NetworkId(b"n" * 32), ClusterId(b"c" * 32)
REQUEST = b"q" * 32


def executed(link: int, items: int = 2, size: int = 10, request: bytes = bytes(32)) -> LinkExecuted:
    outputs = tuple(
        ItemOutput(
            position,
            b"p" * 32,
            request,
            1,
            2**40,
            b"t" * 32,
            b"k" * 32,
            bytes([position]) * size,
            public=any(request),
            void_rule="",
        )
        for position in range(items)
    )
    return LinkExecuted(link, bytes([link]) * 32, b"r" * 32, outputs)


def receipt(number: int, first: int, to: int, final_block: int = 9) -> SettledReceipt:
    signed = Receipt(
        NETWORK, CLUSTER, 1, RuntimeId(b"v" * 32), first, to, Digest(b"d" * 32), *_roots(), 8, ZERO_DIGEST
    )
    return SettledReceipt(number, first, to, 8, final_block, signed, (b"s" * 65,))


def _roots() -> tuple[StateRoot, StateRoot, Digest]:
    return StateRoot(b"a" * 32), StateRoot(b"b" * 32), Digest(b"o" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache.sqlite"


def test_outputs_come_out_as_they_went_in(path: Path) -> None:
    with Store(path, NETWORK, CLUSTER) as store:
        store.add_link(executed(5))
        store.add_link(executed(5))  # a replay
        found = store.output(5, 1)
        assert found is not None
        assert (found.output, found.is_public, found.link_hash) == (b"\x01" * 10, False, b"\x05" * 32)
        assert (found.leaf.link, found.leaf.position, found.leaf.status, found.leaf.fuel) == (5, 1, 1, 2**40)
        assert [output.leaf.position for output in store.outputs_of_link(5)] == [0, 1]
        assert store.output(5, 2) is None
        assert [(link, position) for link, position, _ in store.leaves(5, 6)] == [(5, 0), (5, 1)]
        assert store.leaves(5, 6)[1][2] == found.leaf.digest()
        assert (store.has_links(5, 6), store.has_links(5, 7)) == (True, False)


def test_receipts_by_link_and_number(path: Path) -> None:
    with Store(path, NETWORK, CLUSTER) as store:
        store.add_receipt(receipt(0, 0, 3))
        store.add_receipt(receipt(1, 3, 4))
        assert store.receipt_of_link(2) == receipt(0, 0, 3)
        assert store.receipt_of_link(3) == receipt(1, 3, 4)
        assert store.receipt_of_link(4) is None
        assert store.receipt(1) == receipt(1, 3, 4)
        store.add_receipt(SettledReceipt(2, 4, 5, 8, 9, None, ()))
        assert store.receipt_of_link(4) == SettledReceipt(2, 4, 5, 8, 9, None, ())


def test_requests_wait_until_they_are_delivered(path: Path) -> None:
    with Store(path, NETWORK, CLUSTER) as store:
        store.add_link(executed(0))
        store.add_link(executed(1, items=1, request=REQUEST))
        assert store.undelivered(1) == []
        (waiting,) = store.undelivered(2)
        assert (waiting.leaf.request, waiting.is_public) == (REQUEST, True)
        store.mark_delivered(REQUEST)
        store.mark_delivered(REQUEST)
        assert store.undelivered(2) == []


def test_the_oldest_receipts_go_first(path: Path) -> None:
    with Store(path, NETWORK, CLUSTER, max_bytes=300_000) as store:
        for number in range(8):
            store.add_link(executed(number, items=1, size=50_000))
            store.add_receipt(receipt(number, number, number + 1))
        assert store.output(0, 0) is None
        assert store.receipt(0) is None
        assert store.output(7, 0) is not None
        assert store.receipt(7) is not None


def test_it_lasts_and_belongs_to_one_cluster(path: Path) -> None:
    with Store(path, NETWORK, CLUSTER) as store:
        store.add_link(executed(1))
    with Store(path, NETWORK, CLUSTER) as store:
        assert store.output(1, 0) is not None
    with Store(path, NETWORK, ClusterId(b"x" * 32)) as store:
        assert store.output(1, 0) is None


def test_a_damaged_file_is_made_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"SQLite format 3\0" + b"damaged" * 1000)
    with Store(path, NETWORK, CLUSTER) as store:
        store.add_link(executed(1))
        assert store.output(1, 0) is not None
