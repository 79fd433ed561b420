"""What a receipt file shows, judged offline against a pinned network (PROTOCOL 1.1, 6, 7).

Checked, in this order; the first that does not hold refuses the whole file:
1. the document's network is the pinned one;
2. the header is sealed by more than two thirds of the network's sealers (2.1), by exactly as many seals as that takes;
3. the contracts stand where the network says, with the code that it pins (1.3);
4. ``Settlement`` holds the receipt, final at that header, not frozen (7.3), with the roots that the receipt names;
5. exactly a quorum of distinct operators signed the receipt, with enclaves that ``Registry`` and ``Clusters`` know;
6. the leaf stands under the receipt's outputs root, within its links, for a program of that cluster (6.2);
7. the sealed output, and the opened one where there is one, are those that the leaf commits to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.headers.header import Header, parse_header
from coprocessor.headers.proofs import verify_account, verify_slot
from coprocessor.headers.sealed import SealedSource, seal_digest
from coprocessor.protocol import layout
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.protocol.outputs import Status, verify_output
from coprocessor.protocol.receipt_file import ReceiptFile, receipt_file_from_json
from coprocessor.protocol.statements import ROLE_WORKER
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import (
    ZERO_DIGEST,
    Address,
    ClusterId,
    CodeHash,
    Digest,
    NetworkId,
    ProgramId,
    WorkerId,
    to_hex,
)
from coprocessor.values.network import Network

__all__ = ["ReceiptQuestion", "Verdict", "minimal_seals", "required_slots", "verify_receipt"]


@dataclass(frozen=True, slots=True)
class ReceiptQuestion:
    """What a receipt file asks of the chain: the receipt, its program, and who signed (address, worker id)."""

    cluster: ClusterId
    number: int
    program: ProgramId
    signers: tuple[tuple[Address, WorkerId], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a receipt file shows.

    Args:
        ok: everything holds and the network is the pinned one.
        anchored: a network was pinned and the file is of it.
        network: 32 bytes, the network that the file names; None where it is no receipt file.
        code: stable code of what does not hold, or None.
        reason: the same in words, or None.
        program: 32 bytes.
        code_hash: 32 bytes, the program's published code.
        index: ``LINK.POSITION`` of the item in its cluster's inbox.
        status: a ``protocol.outputs.Status``.
        fuel: consumed.
        output_digest: the leaf's ``plaintext_hash``: Keccak-256 of salt and output.
        plaintext: the opened output, where the file holds it.
        block_number: of the sealed header.
        simulated: an enclave that signed is a simulated one.
        trusted: what had to be believed, in plain words.
    """

    ok: bool
    anchored: bool
    network: NetworkId | None
    code: str | None = None
    reason: str | None = None
    program: ProgramId | None = None
    code_hash: CodeHash | None = None
    index: str | None = None
    status: int | None = None
    fuel: int | None = None
    output_digest: Digest | None = None
    plaintext: bytes | None = None
    block_number: int | None = None
    simulated: bool | None = None
    trusted: tuple[str, ...] = ()


def verify_receipt(text: str, anchor: Network | None) -> Verdict:
    """What the receipt file ``text`` shows to who pins ``anchor``. Never raises.

    Without an anchor the file's content is checked against its own network, its fingerprint is given, and ``ok`` is
    false (``receipt.no_anchor``): a receipt of a network that somebody made up looks as good as any.
    """
    network: NetworkId | None = None
    try:
        file = receipt_file_from_json(text)
        network = compute_network_id(file.network)
        if anchor is not None and compute_network_id(anchor) != network:
            raise EvidenceRefused(
                "receipt.foreign_network",
                f"the receipt is of network {to_hex(network)}, pinned is {to_hex(compute_network_id(anchor))}",
            )
        return _judge(file, network, anchor is not None)
    except CoprocessorError as error:
        reason = f"{error.what} ({error.why})" if error.why else error.what
        anchored = anchor is not None and network == compute_network_id(anchor)
        return Verdict(False, anchored, network, error.code, reason)


def minimal_seals(network: Network, number: int, block_hash: bytes, seals: Sequence[bytes]) -> tuple[bytes, ...]:
    """The least number of seals that makes a header final, in the order of the network's sealers.

    Raises:
        EvidenceRefused: there are not enough (``headers.not_final``), or one is bad.
    """
    sealers = network.configuration.sealers
    digest = seal_digest(network.configuration.chain_id, number, block_hash)
    by_sealer = {recover_address(digest, seal): seal for seal in seals}
    needed = 2 * len(sealers) // 3 + 1
    found = [by_sealer[sealer] for sealer in sealers if sealer in by_sealer]
    if len(found) < needed:
        raise EvidenceRefused("headers.not_final", f"{len(found)} of {len(sealers)} sealers, {needed} are needed")
    return tuple(found[:needed])


def required_slots(question: ReceiptQuestion) -> list[tuple[str, list[Digest]]]:
    """By contract, in order: the slots that a receipt file proves. Each contract's account path precedes its slots."""
    cluster, number, program = question.cluster, question.number, question.program
    receipt = [layout.receipt_field(cluster, number, name) for name in ("to", "root", "outputs_root", "final_block")]
    members = [layout.cluster_member(cluster, worker) for _, worker in question.signers]
    records: list[Digest] = []
    for signer, worker in question.signers:
        records.append(layout.registry_bound_worker(signer))
        records += [layout.registry_worker(worker, name) for name in ("operator", "role", "simulated", "revoked")]
    return [
        ("Settlement", [*receipt, layout.settlement_frozen_from(cluster)]),
        ("Clusters", [layout.cluster_field(cluster, "quorum"), *members]),
        ("Registry", records),
        ("Programs", [layout.program_field(program, name) for name in ("cluster", "code_hash")]),
    ]


def _judge(file: ReceiptFile, network: NetworkId, anchored: bool) -> Verdict:
    header = _check_header(file)
    signers = _recover_signers(file, network)
    values = _prove(file, header, ReceiptQuestion(file.receipt.cluster, file.number, file.leaf.program, signers))
    _check_settled(file, header, values)
    simulated = _check_signers(signers, values)
    _check_output(file)
    code_hash = _check_program(file, values)
    refusal = None if anchored else "the file is sound, but no network is pinned that it could be measured against"
    return Verdict(
        ok=anchored,
        anchored=anchored,
        network=network,
        code=None if anchored else "receipt.no_anchor",
        reason=refusal,
        program=file.leaf.program,
        code_hash=code_hash,
        index=f"{file.leaf.link}.{file.leaf.position}",
        status=file.leaf.status,
        fuel=file.leaf.fuel,
        output_digest=file.leaf.plaintext_hash,
        plaintext=None if file.opened is None else file.opened.plaintext,
        block_number=header.number,
        simulated=simulated,
        trusted=_trusted(file, len(signers), simulated),
    )


def _check_header(file: ReceiptFile) -> Header:
    configuration = file.network.configuration
    header = parse_header(file.header.raw)
    seals = file.header.seals
    SealedSource(configuration.chain_id, configuration.sealers).verify(header, seals)
    if minimal_seals(file.network, header.number, header.hash, seals) != seals:
        raise _refused("receipt.seals", "the seals are more than needed, or in another order than the sealers")
    return header


def _recover_signers(file: ReceiptFile, network: NetworkId) -> tuple[tuple[Address, WorkerId], ...]:
    configuration = file.network.configuration
    if file.receipt.network != network:
        raise _refused("receipt.network", "the signed receipt is of another network than the file")
    digest = file.receipt.digest(configuration.chain_id, configuration.contract("Settlement").address)
    signers = tuple((recover_address(digest, item.signature), item.worker) for item in file.signatures)
    addresses = [address for address, _ in signers]
    if not signers or addresses != sorted(set(addresses)):
        raise _refused("receipt.signatures", "the signatures are none, doubled, or not ascending by signer")
    return signers


class _Values:
    """The proven slots, taken in the order in which ``required_slots`` names them."""

    def __init__(self, values: dict[str, list[int]]) -> None:
        self._values = {contract: iter(slots) for contract, slots in values.items()}

    def take(self, contract: str) -> int:
        """The next slot of ``contract``."""
        return next(self._values[contract])


def _prove(file: ReceiptFile, header: Header, question: ReceiptQuestion) -> _Values:
    required = required_slots(question)
    if len(file.proof.paths) != sum(1 + len(slots) for _, slots in required):
        raise _refused("receipt.proof", "the file proves other slots than a receipt needs")
    paths = _paths(file)
    values: dict[str, list[int]] = {}
    for contract, slots in required:
        identity = file.network.configuration.contract(contract)
        account = verify_account(header.state_root, identity.address, next(paths))
        if account.code_hash != identity.code_hash:
            raise _refused("receipt.contract_code", f"{contract} has other code than the network pins")
        values[contract] = [verify_slot(account.storage_root, slot, next(paths)) for slot in slots]
    return _Values(values)


def _paths(file: ReceiptFile) -> Iterator[list[bytes]]:
    return ([file.proof.nodes[place] for place in path] for path in file.proof.paths)


def _check_settled(file: ReceiptFile, header: Header, values: _Values) -> None:
    receipt = file.receipt
    to, root, outputs_root, final_block, frozen_from = (values.take("Settlement") for _ in range(5))
    if (to, root, outputs_root) != (receipt.to, _word(receipt.new_root), _word(receipt.outputs_root)):
        raise _refused("receipt.not_settled", f"the chain has not settled this receipt as number {file.number}")
    if frozen_from and file.number + 1 >= frozen_from:
        raise _refused("receipt.frozen", f"the cluster is frozen from receipt {frozen_from - 1} on: it was contested")
    if header.number < final_block:
        raise _refused(
            "receipt.not_final", f"the receipt is final from block {final_block} on, the header is of {header.number}"
        )
    if receipt.block_number > header.number:
        raise _refused("receipt.block", "the receipt speaks of a block after the header")


def _check_signers(signers: Sequence[tuple[Address, WorkerId]], values: _Values) -> bool:
    """Whether one of them is simulated. Raises EvidenceRefused."""
    quorum = values.take("Clusters")
    if len(signers) != quorum:
        raise _refused("receipt.quorum", f"{len(signers)} signatures where the cluster's quorum is {quorum}")
    operators: set[int] = set()
    any_simulated = False
    for signer, worker in signers:
        joined = values.take("Clusters")
        bound, operator, role, simulated, revoked = (values.take("Registry") for _ in range(5))
        name = to_hex(signer)
        if bound != _word(worker) or role != ROLE_WORKER:
            raise _refused("receipt.signer", f"{name} is no key of worker {to_hex(worker)}")
        if joined == 0:
            raise _refused("receipt.signer", f"the worker of {name} is no member of the cluster")
        if revoked:
            raise _refused("receipt.signer_revoked", f"the worker of {name} is revoked")
        if operator in operators:
            raise _refused("receipt.operator_twice", "one operator signed twice")
        operators.add(operator)
        any_simulated = any_simulated or simulated != 0
    return any_simulated


def _check_output(file: ReceiptFile) -> None:
    receipt, leaf = file.receipt, file.leaf
    if not receipt.first <= leaf.link < receipt.to:
        raise _refused("receipt.range", f"link {leaf.link} is outside of {receipt.first} to {receipt.to - 1}")
    if leaf.status not in set(Status):
        raise MalformedInput("receipt.status", f"{leaf.status} is no outcome")
    verify_output(receipt.outputs_root, leaf, file.place)
    sealed_hash = keccak256(file.sealed_output) if file.sealed_output else ZERO_DIGEST  # zero: readable by all
    if sealed_hash != leaf.ciphertext_hash:
        raise _refused("output.ciphertext", "the sealed output is not the one that the leaf commits to")
    if file.opened is not None and keccak256(file.opened.salt + file.opened.plaintext) != leaf.plaintext_hash:
        raise _refused("output.plaintext", "the opened output is not the one that the leaf commits to")


def _check_program(file: ReceiptFile, values: _Values) -> CodeHash | None:
    cluster, code_hash = values.take("Programs"), values.take("Programs")
    if cluster == _word(file.receipt.cluster):
        return CodeHash(code_hash.to_bytes(32, "big"))
    if file.leaf.status != Status.VOID:
        raise _refused("receipt.program", "the program does not belong to the receipt's cluster")
    return None


def _trusted(file: ReceiptFile, signers: int, simulated: bool) -> tuple[str, ...]:
    configuration = file.network.configuration
    sealers = ", ".join(to_hex(sealer) for sealer in configuration.sealers)
    words = [
        f"that the pinned network {to_hex(compute_network_id(file.network))} is the one you mean",
        f"more than 2/3 of the {len(configuration.sealers)} sealers of chain {configuration.chain_id}: {sealers}",
        f"the code of {len(configuration.contracts)} contracts, pinned by hash in the network's digest",
        f"{signers} enclave(s) of distinct operators that signed the receipt, and the {len(file.network.gatekeepers)} "
        "gatekeeper(s) that admitted them on evidence",
    ]
    if simulated:
        words.append("SIMULATED TEE: the evidence is of a simulated vendor, so this shows function and not security")
    else:
        words.append("the hardware vendor whose evidence the gatekeepers accepted")
    return tuple(words)


def _word(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _refused(code: str, what: str) -> EvidenceRefused:
    return EvidenceRefused(code, what)
