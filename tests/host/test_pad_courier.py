"""A restarted gatekeeper's host asks the others for the pieces of its pad, and says what is to be done when they are
too few: wait, let custodians act, or go on without this share (PROTOCOL 9.5)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.codec import cbor
from coprocessor.enclave import messages as m
from coprocessor.host import pad_courier
from coprocessor.host.enclave_process import EnclaveRefused
from coprocessor.host.pad_courier import PadCourier, PadSurroundings
from coprocessor.keys.pads import make_pad
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, PeerUnreachable
from coprocessor.values.identities import Address, NetworkId

HOLDERS = tuple(Address(bytes((at,)) * 20) for at in (2, 3, 4, 5))
RECORD = make_pad(NetworkId(bytes(32)), Address(b"\1" * 20), 1, 1, 3, HOLDERS, bytes(32), insecure=True).record
NOBODY_HAS_IT = EvidenceRefused("custody.no_piece", "this gatekeeper holds no piece of that pad")
AWAY = PeerUnreachable("peer.unreachable", "no answer")


class World:
    """An enclave that waits for its pad, and four others that answer as told."""

    def __init__(self, answers: list[CoprocessorError | bytes], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = answers
        self.kind = kind
        self.taken: list[m.TakePieces] = []
        self.kept: list[bytes] = []

        async def found(contract: object, hints: object) -> tuple[str, ...]:
            return ("http://own", *(f"http://host{at}" for at in range(len(answers))))

        async def presence(courier: object, standing: object = None) -> m.Admit:
            return m.Admit(2, b"", b"", b"", b"", b"", b"", 0, 0, b"")

        monkeypatch.setattr(pad_courier, "find_endpoints", found)
        monkeypatch.setattr(PadCourier, "presence", presence)
        file: Any = SimpleNamespace(load=lambda: object(), update=lambda sealed: self.kept.append(sealed))
        peers: Any = SimpleNamespace(ask=self._ask)
        parts: Any = SimpleNamespace(request=self._request)
        nothing: Any = None
        around = PadSurroundings(peers, "http://own", (), nothing, file, Address(bytes(20)))
        self.courier = PadCourier(around, parts, nothing, nothing, nothing)

    async def _ask(self, url: str, message: object, *_: object) -> object:
        answer = self.answers[int(url.removeprefix("http://host").removesuffix("/v1/pads/give"))]
        if isinstance(answer, CoprocessorError):
            raise answer
        return m.PieceGiven(answer)

    async def _request(self, message: object, reply: type) -> object:
        if isinstance(message, m.GetCustody):
            record = cbor.dumps(RECORD.to_plain())
            return m.Custody(self.kind, bytes(32), True, False, record, 0, ())
        assert isinstance(message, m.TakePieces)
        self.taken.append(message)
        if len(message.answers) < RECORD.threshold:
            raise EnclaveRefused(m.Failure("custody.too_few", "too few pieces", "", ""))
        return m.Unwrapped((), b"sealed again")

    def step(self) -> bool:
        return asyncio.run(self.courier.step())

    def refused(self) -> PeerUnreachable:
        with pytest.raises(PeerUnreachable) as caught:
            self.step()
        return caught.value


def test_enough_pieces_open_the_share_and_what_the_enclave_seals_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World([b"a", AWAY, b"b", b"c"], "none", monkeypatch)
    assert world.step()
    assert world.taken == [m.TakePieces((b"a", b"b", b"c"), ())]
    assert world.kept == [b"sealed again"]


@pytest.mark.parametrize(
    "answers",
    [
        [b"a", b"b", AWAY, NOBODY_HAS_IT],
        [AWAY, AWAY, AWAY, AWAY],
        [b"a", NOBODY_HAS_IT, EvidenceRefused("admission.unknown_block", "behind"), AWAY],
    ],
)
def test_while_enough_others_may_still_answer_it_waits(
    answers: list[CoprocessorError | bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = World(answers, "none", monkeypatch).refused()
    have = sum(isinstance(answer, bytes) for answer in answers)
    assert error.code == "custody.waiting"
    assert error.what == f"{have} pieces of this gatekeeper's pad came back, 3 are needed"
    assert "peer.unreachable" in error.why
    assert "nothing is lost" in error.next


@pytest.mark.parametrize(
    ("kind", "way_out"),
    [
        ("none", "phat gatekeeper replace"),
        ("none", "begins anew in an empty folder"),
        ("keys", "phat custodian"),
    ],
)
def test_where_too_many_have_lost_theirs_it_says_what_is_left_to_do(
    kind: str, way_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World([b"a", b"b", NOBODY_HAS_IT, NOBODY_HAS_IT], kind, monkeypatch)
    error = world.refused()
    assert error.code == "custody.lost"
    assert "hold 2 pieces of this one's pad, 3 are needed" in error.what
    assert way_out in error.next
    assert world.kept == []
    world.answers[2] = b"c"  # where one of them comes by its piece after all, it goes on
    assert world.step()


def test_what_else_the_enclave_refuses_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World([b"a", b"b", b"c", b"d"], "none", monkeypatch)

    async def refuse(message: object, reply: type) -> object:
        if isinstance(message, m.TakePieces):
            raise EnclaveRefused(m.Failure("share.foreign", "of another network", "", ""))
        return await World._request(world, message, reply)

    world.courier._enclave.request = refuse  # type: ignore[assignment,method-assign]
    with pytest.raises(EnclaveRefused) as caught:
        world.step()
    assert caught.value.code == "share.foreign"
