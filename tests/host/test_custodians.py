"""Offline custodians open a restarted gatekeeper's share: the real files, the real core, nothing for anybody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.crypto.hpke import SealingKey
from coprocessor.enclave import messages as m
from coprocessor.host.custodians import describe, open_piece
from coprocessor.host.pad_courier import WAITING_SHARES, WaitingShare
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.network import Network
from tests.enclave.committee import Committee
from tests.enclave.cores import ask, refusal
from tests.enclave.test_pads import NOBODY, OFFLINE, custody, has_keys, restart_all, whole
from tests.enclave.test_pads import TWO_OF_THREE as CUSTODIANS


def waiting(committee: Committee, at: int) -> WaitingShare:
    """What a restarted gatekeeper's host serves, through its bytes."""
    standing = custody(committee, at)
    request = WaitingShare(committee.presence(at), standing.record, standing.pieces)
    decoded = WAITING_SHARES.decode(WAITING_SHARES.encode(request))
    assert isinstance(decoded, WaitingShare)
    return decoded


def network_of(committee: Committee) -> Network:
    return network_from_json(committee.chain.network_json())[0]


def refused(network: Network, request: WaitingShare, key: SealingKey, now: int) -> str:
    with pytest.raises(CoprocessorError) as caught:
        open_piece(network, request, key, now)
    return caught.value.code


def test_two_of_three_custodians_bring_a_committee_back() -> None:
    committee = whole(3, 2, CUSTODIANS)
    restart_all(committee)
    network, now = network_of(committee), committee.chain.timestamp
    for at in range(3):
        request = waiting(committee, at)
        opened = [open_piece(network, request, OFFLINE[number], now) for number in (0, 2)]
        assert "simulated hardware" in describe(request, opened[0][0])
        answers = tuple(answer for _, answer in opened)
        assert refusal(committee.cores[at], m.TakePieces((), answers[:1])) == "custody.too_few"
        assert refusal(committee.cores[(at + 1) % 3], m.TakePieces((), answers)) in ("custody.too_few", "custody.open")
        ask(committee.cores[at], m.TakePieces((), answers))
        assert has_keys(committee, at)


def test_a_custodian_opens_for_nobody_else() -> None:
    committee = whole(3, 2, CUSTODIANS)
    restart_all(committee)
    network, now, request = network_of(committee), committee.chain.timestamp, waiting(committee, 0)
    key = OFFLINE[0]
    mine = SealingKey(bytes(32)).public_key
    stolen = replace(request, presence=replace(request.presence, sealing_key=mine))
    assert refused(network, stolen, key, now) == "attestation.report_data_mismatch"
    other = replace(request, presence=committee.presence(1))
    assert refused(network, other, key, now) == "custodian.foreign"
    assert refused(network, request, SealingKey(b"\x09" * 32), now) == "custodian.key"
    foreign = whole(3, 2, CUSTODIANS)
    later = Network(network.configuration, foreign.chain.gatekeepers[:2])
    assert refused(later, request, key, now) == "custodian.foreign"
    assert refused(network, replace(request, pieces=request.pieces[1:]), key, now) == "custodian.key"
    bare = network_of(whole(3, 2, NOBODY))
    assert refused(bare, request, key, now) in ("attestation.report_data_mismatch", "custodian.foreign")
