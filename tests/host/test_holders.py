"""Asking operators outside the cluster: gatekeepers first, then workers of other clusters, each operator once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.host.holders import Held, Holders
from coprocessor.protocol.statements import ROLE_GATEKEEPER, ROLE_WORKER, Boundary, HeldRecord
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import (
    ZERO_DIGEST,
    Address,
    ClusterId,
    Digest,
    NetworkId,
    StateRoot,
    WorkerId,
    to_hex,
)

NETWORK, CLUSTER, CHAIN_ID = NetworkId(b"n" * 32), ClusterId(b"c" * 32), 7
CLUSTERS = Address(b"l" * 20)
GATEKEEPER, MEMBER, OUTSIDE, STRANGER = (PrivateKey(bytes([at]) * 32) for at in (1, 2, 3, 4))
BOUNDARY = Boundary(NETWORK, CLUSTER, 2, 7, Digest(b"h" * 32), StateRoot(b"r" * 32), Digest(b"k" * 32))
SIGNED = HeldRecord(NETWORK, CLUSTER, BOUNDARY.checkpoint).digest(CHAIN_ID, CLUSTERS)


class Chain:
    """Gatekeeping with a gatekeeper after a revoked one of the same operator, Registry with four admissions, Clusters
    in which one operator runs a member."""

    address = CLUSTERS
    revoked: tuple[bytes, ...] = ()
    interface = SimpleNamespace(event=lambda name: SimpleNamespace(topic=b""))

    async def read(self, name: str, *arguments: Any, tag: Any = "latest") -> Any:
        match name:
            case "member_count":
                return 2
            case "members":
                return [GATEKEEPER.address, bytes([arguments[0]]), b"", b""]
            case "revoked":
                return 7 if arguments[0] == bytes([0]) else 0
            case "seats":
                return int(arguments[1] == MEMBER.address)
            case "workers":
                return [b"", b"", ROLE_WORKER, arguments[0]]
            case "standing":
                return [b"", b"", b"", 100, arguments[0][:1] in self.revoked]
            case "endpoints" if arguments[0][0] < 2:
                return ""
            case "endpoints":
                return f"http://{arguments[0][:1].decode()}/"
        raise AssertionError(name)

    def events(self, logs: Any, name: str) -> list[dict[str, Any]]:
        admitted = [
            (MEMBER, b"m", ROLE_WORKER),
            (GATEKEEPER, b"g", ROLE_GATEKEEPER),
            (OUTSIDE, b"o", ROLE_WORKER),
            (OUTSIDE, b"p", ROLE_WORKER),
        ]
        return [
            {"operator": key.address, "worker": letter * 32, "admission": [key.address, b"", role]}
            for key, letter, role in admitted
        ]

    async def block(self, tag: str) -> None:
        return None

    async def logs(self, *arguments: Any) -> list[Any]:
        return []


def asking(
    answers: dict[str, PrivateKey], wanted: int, revoked: tuple[bytes, ...] = ()
) -> tuple[list[Held], list[str]]:
    """Who holds, and which hosts were asked."""
    asked: list[str] = []

    async def post(url: str, message: Any, table: Any) -> Any:
        name = url.removeprefix("http://").removesuffix("/v1/hold")
        asked.append(name)
        if name not in answers:
            raise PeerUnreachable("peer.unreachable", "silent")
        return {"ok": True, "signature": to_hex(answers[name].sign(SIGNED))}

    async def urls() -> tuple[str, ...]:
        return ("http://gatekeeper",)

    chain = Chain()
    chain.revoked = revoked
    around: Any = SimpleNamespace(
        cluster=CLUSTER,
        contract=lambda name: chain,
        node=chain,
        network=SimpleNamespace(configuration=SimpleNamespace(chain_id=CHAIN_ID)),
        peers=SimpleNamespace(post_record=post),
        gatekeepers=SimpleNamespace(urls=urls),
    )
    holders = Holders(around, WorkerId(b"w" * 32))
    return asyncio.run(holders.hold(BOUNDARY, [bytes(65)], wanted)), asked


def test_gatekeepers_are_enough_where_one_is() -> None:
    held, asked = asking({"gatekeeper": GATEKEEPER}, 1)
    assert held == [Held(2, ZERO_DIGEST, GATEKEEPER.sign(SIGNED))], "the contract refuses a revoked one's seat"
    assert asked == ["gatekeeper"]


def test_workers_of_other_clusters_follow_one_of_each_operator() -> None:
    held, asked = asking({"gatekeeper": GATEKEEPER, "o": OUTSIDE}, 2)
    assert held == [Held(2, ZERO_DIGEST, GATEKEEPER.sign(SIGNED)), Held(0, b"o" * 32, OUTSIDE.sign(SIGNED))]
    assert asked == ["gatekeeper", "o"], "neither members nor an operator's second worker are asked"


@pytest.mark.parametrize("liar", [STRANGER, MEMBER, OUTSIDE])
def test_signatures_of_others_do_not_count(liar: PrivateKey) -> None:
    held, _ = asking({"gatekeeper": liar}, 1)
    assert held == []


def test_workers_whose_standing_is_over_are_passed_over() -> None:
    """The contract would refuse the closing for one of them."""
    held, asked = asking({"o": OUTSIDE, "p": OUTSIDE}, 1, revoked=(b"o",))
    assert held == [Held(0, b"p" * 32, OUTSIDE.sign(SIGNED))]
    assert asked == ["gatekeeper", "p"]
