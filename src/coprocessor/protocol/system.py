"""Payloads of system links and of requests, as the named contracts encode them (PROTOCOL 3.1, 8.3)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.identities import Address, ClusterId, CodeHash, ProgramId, RequestId, RuntimeId, WorkerId

__all__ = [
    "EpochChange",
    "Instantiation",
    "MemberChange",
    "RequestPayload",
    "Upgrade",
    "compute_program_id",
    "compute_request_id",
    "compute_worker_id",
    "decode_epoch",
    "decode_instantiation",
    "decode_member",
    "decode_request",
    "decode_upgrade",
]


@dataclass(frozen=True, slots=True)
class EpochChange:
    """An epoch begins: its number, the runtime id, signatures needed to settle and to settle at once."""

    epoch: int
    runtime: RuntimeId
    quorum: int
    fast_quorum: int


@dataclass(frozen=True, slots=True)
class MemberChange:
    """A worker joins or leaves a cluster."""

    worker: WorkerId
    operator: Address
    joined: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class Instantiation:
    """A program is deployed: ``init`` are the constructor's arguments, ``handle`` its short name inside the cluster."""

    program: ProgramId
    handle: int
    owner: Address
    code_hash: CodeHash
    policy: bytes
    fuel_limit: int
    callees: tuple[ProgramId, ...]
    init: bytes


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A program's code changes: ``number`` counts its upgrades from 1, ``fuel_limit`` is of its method ``upgrade``."""

    program: ProgramId
    number: int
    code_hash: CodeHash
    fuel_limit: int


@dataclass(frozen=True, slots=True)
class RequestPayload:
    """A smart contract asks a program; ``callback_gas`` is what its callback may use."""

    program: ProgramId
    handle: int
    request: RequestId
    method: bytes
    callback_gas: int
    arguments: bytes


def decode_epoch(payload: bytes) -> EpochChange:
    """Raises MalformedInput where the payload has another shape."""
    epoch, runtime, quorum, fast = abi.decode(["uint256", "bytes32", "uint256", "uint256"], payload)
    return EpochChange(epoch, RuntimeId(runtime), quorum, fast)


def decode_member(payload: bytes) -> MemberChange:
    """Raises MalformedInput where the payload has another shape."""
    worker, operator, joined, epoch = abi.decode(["bytes32", "address", "bool", "uint256"], payload)
    return MemberChange(WorkerId(worker), Address(operator), joined, epoch)


_INSTANTIATE = ["bytes32", "uint256", "address", "bytes32", "bytes32", "uint256", "bytes32[]", "bytes"]


def decode_instantiation(payload: bytes) -> Instantiation:
    """Raises MalformedInput where the payload has another shape."""
    program, handle, owner, code_hash, policy, fuel_limit, callees, init = abi.decode(_INSTANTIATE, payload)
    return Instantiation(
        ProgramId(program),
        handle,
        Address(owner),
        CodeHash(code_hash),
        policy,
        fuel_limit,
        tuple(ProgramId(callee) for callee in callees),
        init,
    )


def decode_upgrade(payload: bytes) -> Upgrade:
    """Raises MalformedInput where the payload has another shape."""
    program, number, code_hash, fuel = abi.decode(["bytes32", "uint256", "bytes32", "uint256"], payload)
    return Upgrade(ProgramId(program), number, CodeHash(code_hash), fuel)


def decode_request(payload: bytes) -> RequestPayload:
    """Raises MalformedInput where the payload has another shape."""
    program, handle, request, method, gas, arguments = abi.decode(
        ["bytes32", "uint256", "bytes32", "bytes4", "uint256", "bytes"], payload
    )
    return RequestPayload(ProgramId(program), handle, RequestId(request), method, gas, arguments)


def compute_request_id(chain_id: int, inbox: Address, cluster: ClusterId, link: int) -> RequestId:
    """The id that ``Inbox.request`` gives to the request at ``link``."""
    tag = keccak256(b"coprocessor/v1/request")
    words = [tag, chain_id, inbox, cluster, link]
    return RequestId(keccak256(abi.encode(["bytes32", "uint256", "address", "bytes32", "uint256"], words)))


def compute_program_id(
    chain_id: int,
    programs: Address,
    owner: Address,
    code_hash: CodeHash,
    cluster: ClusterId,
    salt: bytes,
    policy: bytes,
) -> ProgramId:
    """The id that ``Programs.instantiate`` gives."""
    tag = keccak256(b"coprocessor/v1/program")
    types = ["bytes32", "uint256", "address", "address", "bytes32", "bytes32", "bytes32", "bytes32"]
    return ProgramId(keccak256(abi.encode(types, [tag, chain_id, programs, owner, code_hash, cluster, salt, policy])))


def compute_worker_id(operator: Address, platform: bytes) -> WorkerId:
    """The id under which ``Registry`` keeps an operator's platform."""
    return WorkerId(keccak256(abi.encode(["address", "bytes32"], [operator, platform])))
