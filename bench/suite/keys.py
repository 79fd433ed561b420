"""What keys cost: a cluster's key at the worker, a part of it at a gatekeeper, and whole ceremonies.

Computing alone, without network and chain, in processor time of one thread, so that neighbours on the machine count
little. A ceremony's figure is the sum over all of its members. PROTOCOL 9.2 asks for n >= 2 t - 1, which 14 of 20
breaks: that one is computed on the pure functions; no network has such a committee.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.figures import Figure, repeat
from bench.scene import Scene
from coprocessor.crypto.bls import SecretScalar
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.derivation import ClusterKeys, derive_cluster_keys
from coprocessor.keys.dkg import DkgMember
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import combine_partials
from coprocessor.keys.release import (
    KeyRequest,
    answer_request,
    build_request,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    open_response,
    verify_request,
)
from coprocessor.keys.shares import CommitteeKeys, KeyShare, Polynomial, evaluate_commitment_at
from coprocessor.keys.tickets import SignedTicket, Ticket
from coprocessor.values.identities import ClusterId, Digest, NetworkId, WorkerId

__all__ = ["run"]

COMMITTEES = ((3, 5), (14, 20))
CEREMONY = (10, 20)
"""t and n; the greatest threshold that so many allow."""

_NETWORK = NetworkId(sha256(b"benchmark"))
_IDENTITY = ClusterIdentity(_NETWORK, ClusterId(sha256(b"cluster")), 1, insecure=True)
_WORKER = PrivateKey(sha256(b"worker"))


@dataclass(frozen=True)
class _Release:
    """A worker that asks a committee."""

    shares: tuple[KeyShare, ...]
    gatekeepers: tuple[PrivateKey, ...]
    answer_key: SealingKey
    request: KeyRequest

    def answer(self, at: int) -> bytes:
        """What a gatekeeper does: reads, verifies the worker's signature, signs its part, seals and signs it."""
        request = decode_request(encode_request(self.request))
        verify_request(request, _WORKER.address)
        return encode_response(answer_request(request, self.shares[at], self.gatekeepers[at]))

    def combine(self, answers: list[bytes]) -> ClusterKeys:
        """What a worker does: checks the committee's keys, opens the parts, combines them, verifies, derives."""
        stated = self.shares[0].committee
        committee = CommitteeKeys(stated.threshold, stated.group, stated.shares)
        parts = []
        for encoded in answers:
            answer = decode_response(encoded)
            gatekeeper = self.gatekeepers[answer.index - 1].address
            parts.append(open_response(self.request, answer, self.answer_key, gatekeeper))
        return derive_cluster_keys(combine_partials(committee, _IDENTITY, parts).signature, _IDENTITY, committee.group)


def run(scene: Scene) -> list[Figure]:
    """Release and ceremonies."""
    scene.rest()
    repetitions, calls = (2, 2) if scene.quick else (9, 20)
    figures = []
    for threshold, members in COMMITTEES:
        release = _prepare(threshold, members)
        answers = [release.answer(at) for at in range(threshold)]
        taken = _each(partial(release.combine, answers), repetitions, calls)
        figures.append(Figure(f"keys.worker, {threshold} of {members}", "ms", taken, "lower", _ALONE))
    taken = _each(partial(release.answer, 0), repetitions, calls)
    figures.append(Figure("keys.gatekeeper", "ms", taken, "lower", _ALONE))
    threshold, members = (2, 3) if scene.quick else CEREMONY
    times = 2 if scene.quick else 5
    figures.append(Figure("keys.DKG of 20", "s", repeat(times, partial(_dkg, threshold, members)), "lower", _SUMMED))
    shares = _share_out(threshold, members)
    for name, receivers in (("refresh of 20", members), ("reshare of 20", members)):
        identifier = sha256(name.encode())
        values = repeat(times, partial(_handover, shares, receivers, identifier))
        figures.append(Figure(f"keys.{name}", "s", values, "lower", _SUMMED))
    for figure in figures:
        scene.say(f"  {figure.name}: {figure.median:.2f} {figure.unit}")
    return figures


_ALONE = "processor time, computing alone"
_SUMMED = "processor time of all members together"


def _each(function: Callable[[], object], repetitions: int, calls: int) -> tuple[float, ...]:
    """Milliseconds of processor time of one call."""
    function()

    def once() -> float:
        began = time.process_time()
        for _ in range(calls):
            function()
        return 1000 * (time.process_time() - began) / calls

    return repeat(repetitions, once)


def _share_out(threshold: int, members: int) -> tuple[KeyShare, ...]:
    """Shares of a known key."""
    seeds = (sha256(b"coefficient" + bytes((at,))) for at in range(threshold))
    polynomial = Polynomial(tuple(SecretScalar.derive(seed, b"benchmark") for seed in seeds))
    commitment, indices = polynomial.commitment(), list(range(1, members + 1))
    keys = tuple(zip(indices, evaluate_commitment_at(commitment, indices), strict=True))
    committee = CommitteeKeys(threshold, commitment[0], keys)
    return tuple(KeyShare(at, polynomial.evaluate(at), committee) for at in indices)


def _prepare(threshold: int, members: int) -> _Release:
    shares = _share_out(threshold, members)
    gatekeepers = tuple(PrivateKey(sha256(b"gatekeeper" + bytes((at,)))) for at in range(members))
    ticket = SignedTicket(Ticket(_NETWORK, Digest(sha256(b"nonce")), 1, Digest(bytes(32)), True), ())
    sealing, answer_key = SealingKey(sha256(b"sealing")), SealingKey(sha256(b"answer"))
    worker, sealing_keys = WorkerId(bytes(32)), (sealing.public_key, answer_key.public_key)
    request = build_request(_IDENTITY, worker, sealing_keys, ticket, _WORKER)
    return _Release(shares, gatekeepers, answer_key, request)


def _dkg(threshold: int, members: int) -> float:
    everybody = tuple(range(1, members + 1))
    session = DkgSession(_NETWORK, Digest(sha256(b"session")), threshold, everybody, everybody, insecure=True)

    def everyone() -> list[DkgMember]:
        return [DkgMember(session, sha256(b"entropy" + bytes((at,))), at, at) for at in everybody]

    return _timed(everyone)


def _handover(shares: tuple[KeyShare, ...], members: int, identifier: bytes) -> float:
    """Present members deal what they hold, next ones receive; who stays would do both."""
    present, receivers = shares[0].committee, tuple(range(1, members + 1))
    constants = tuple(key for _, key in present.shares)
    session = DkgSession(
        _NETWORK, Digest(identifier), present.threshold, receivers, present.indices, constants, present.threshold, True
    )

    def everyone() -> list[DkgMember]:
        dealers = [DkgMember(session, sha256(b"old" + bytes((s.index,))), 0, s.index, s.secret) for s in shares]
        return dealers + [DkgMember(session, sha256(b"new" + bytes((at,))), at, 0) for at in receivers]

    return _timed(everyone)


def _timed(everyone: Callable[[], list[DkgMember]]) -> float:
    """Seconds of a ceremony without complaints: every member makes every step that is its own."""
    began = time.process_time()
    members = everyone()
    announcements = [member.announce() for member in members]
    dealings = [member.reveal(announcements) for member in members if member.dealer]
    receivers = [member for member in members if member.receiver]
    for member in receivers:
        assert not member.complain(announcements, dealings)
    for member in receivers:
        member.finish(member.judge(announcements, dealings, ()), dealings)
    return time.process_time() - began
