"""Targets of headers, proofs and attestation."""

from __future__ import annotations

from functools import cache

from coprocessor.attestation.evidence import Evidence, EvidenceKind, decode_evidence, encode_evidence
from coprocessor.attestation.policy import admit
from coprocessor.attestation.roots import KNOWN_ROOTS
from coprocessor.attestation.vendors.dcap import verify_dcap
from coprocessor.attestation.vendors.dcap_quote import parse_quote, trim_quote
from coprocessor.attestation.verify import verify_evidence
from coprocessor.codec.ordered_trie import compute_ordered_root
from coprocessor.crypto.hashing import keccak256
from coprocessor.headers.blocks import parse_roots, read_receipts, read_transactions
from coprocessor.headers.chain import VerifiedChain
from coprocessor.headers.header import parse_header
from coprocessor.headers.proofs import verify_account, verify_slot, verify_value
from coprocessor.headers.sealed import SealedSource
from coprocessor.protocol import layout
from tests.attestation import samples
from tests.attestation.material import FOLDER, read_dcap
from tests.fuzz.target import REFUSED, Target, Unsound
from tests.headers import block_samples
from tests.support.byte_mutation import join_parts, split_parts
from tests.support.fake_chain import CHAIN_ID, CLUSTER, FakeChain

_MATERIAL_QUOTES = ("sgx_quote", "tdx_quote")


@cache
def _chain() -> FakeChain:
    chain = FakeChain()
    chain.append_epoch(bytes(32))
    for number in range(3):
        chain.append(1, b"payload %d" % number, item_count=1)
        chain.mine()
    return chain


def _source() -> SealedSource:
    return SealedSource(CHAIN_ID, _chain().configuration.sealers)


def _header(data: bytes) -> None:
    if parse_header(data).hash != keccak256(data):
        raise Unsound("a header has another hash")


def _seal(data: bytes) -> None:
    raw, *seals = split_parts(data) or [b""]
    _source().verify(parse_header(raw), seals)
    if raw not in _chain().headers:
        raise Unsound("a header that nobody sealed is final")


def _segment(data: bytes) -> None:
    """Parts: number of headers in one byte, headers, seals; a chain that knows the first two blocks is extended."""
    count, *parts = split_parts(data) or [b""]
    known = _chain()
    verified = VerifiedChain(_source())
    verified.extend(known.headers[:2], [known.seal(known.headers[1])])
    at = count[0] if count else 0
    head = verified.extend(parts[:at], parts[at:])
    if known.headers[head.number] not in known.headers or keccak256(known.headers[head.number]) != head.hash:
        raise Unsound("a header that nobody sealed is final")


def _segment_seeds() -> list[bytes]:
    chain = _chain()
    return [
        join_parts([bytes((len(raw),)), *raw, chain.seal(raw[-1])])
        for raw in (chain.headers[2:], chain.headers[1:3], chain.headers[3:])
    ]


def _receipts(data: bytes) -> None:
    """Under the root that they have, so that they are parsed; under the sample's, nothing else may pass."""
    receipts = split_parts(data)
    read_receipts(compute_ordered_root(receipts), receipts)


def _foreign_receipts(data: bytes) -> None:
    receipts = split_parts(data)
    read_receipts(compute_ordered_root(block_samples.RECEIPTS), receipts)
    if receipts != block_samples.RECEIPTS:
        raise Unsound("receipts of another block pass")


def _transactions(data: bytes) -> None:
    read_transactions(compute_ordered_root(block_samples.TRANSACTIONS), data)


def _parts_of_proof() -> tuple[bytes, bytes, list[bytes], list[bytes]]:
    slot = layout.inbox_count(CLUSTER)
    proof = _chain().proof(("Inbox", slot)).accounts[0]
    return parse_header(_chain().headers[-1]).state_root, slot, list(proof.nodes), list(proof.slots[0].nodes)


def _account(data: bytes) -> None:
    address = _chain().configuration.contract("Inbox").address
    found = verify_account(_parts_of_proof()[0], address, split_parts(data))
    if found.code_hash != _chain().configuration.contract("Inbox").code_hash:
        raise Unsound("a forged account was taken")


def _slot(data: bytes) -> None:
    account = verify_account(
        _parts_of_proof()[0], _chain().configuration.contract("Inbox").address, _parts_of_proof()[2]
    )
    if verify_slot(account.storage_root, _parts_of_proof()[1], split_parts(data)) != 4:
        raise Unsound("a forged slot was taken")


def _any_root(data: bytes) -> None:
    """The first node's hash is the root, so that nodes are parsed instead of refused by their hash."""
    key, *nodes = split_parts(data) or [b""]
    verify_value(keccak256(nodes[0]) if nodes else bytes(32), key[:32].ljust(32, b"\0"), nodes)


def _any_root_seeds() -> list[bytes]:
    _, slot, account, storage = _parts_of_proof()
    address = _chain().configuration.contract("Inbox").address
    return [join_parts([keccak256(address), *account]), join_parts([keccak256(slot), *storage])]


def _quote_seeds() -> list[bytes]:
    seeds = [samples.evidence(name).quote for name in samples.FORMATS]
    return seeds + ([read_dcap(name)[0].quote for name in _MATERIAL_QUOTES] if FOLDER.is_dir() else [])


def _evidence_seeds() -> list[bytes]:
    return [encode_evidence(samples.evidence(name)) for name in samples.FORMATS]


def _verify(data: bytes) -> None:
    verdict = verify_evidence(decode_evidence(data), samples.NOW)
    if verdict.report_data != samples.REPORT_DATA or not verdict.simulated:
        raise Unsound("altered evidence verifies")


def _admit(data: bytes) -> None:
    admit(decode_evidence(data), samples.POLICY, samples.REPORT_DATA, samples.NOW)


def _collateral(data: bytes) -> None:
    verify_dcap(Evidence(EvidenceKind.SGX, samples.SGX.quote, data[: 64 * 1024]), KNOWN_ROOTS, samples.NOW)


def _real_quote(data: bytes) -> None:
    """Real hardware's quote and collateral, where they are at hand; parts: quote, collateral."""
    quote, collateral = (*split_parts(data), b"", b"")[:2]
    evidence = Evidence(EvidenceKind.SGX, quote[: 16 * 1024], collateral[: 64 * 1024])
    now = read_dcap("sgx_quote")[1] if FOLDER.is_dir() else samples.NOW
    verdict = verify_evidence(evidence, now)
    if verdict.simulated or not FOLDER.is_dir():
        raise Unsound("a made-up quote passes for real")


def _real_seeds() -> list[bytes]:
    if not FOLDER.is_dir():
        return []
    evidence = read_dcap("sgx_quote")[0]
    return [join_parts([evidence.quote, evidence.collateral])]


CHAIN_TARGETS = (
    Target("header", _header, lambda: list(_chain().headers), covers=("headers.header.parse_header",), examples=200),
    Target("block-roots", parse_roots, lambda: list(_chain().headers), covers=("headers.blocks.parse_roots",)),
    Target(
        "receipts",
        _receipts,
        lambda: [join_parts(block_samples.RECEIPTS)],
        errors=REFUSED,
        covers=("headers.blocks.read_receipts",),
    ),
    Target("foreign-receipts", _foreign_receipts, lambda: [join_parts(block_samples.RECEIPTS)], errors=REFUSED),
    Target(
        "transactions",
        _transactions,
        lambda: [block_samples.BLOCK],
        errors=REFUSED,
        covers=("headers.blocks.read_transactions",),
    ),
    Target(
        "sealed-header",
        _seal,
        lambda: [join_parts([raw, _chain().seal(raw)]) for raw in _chain().headers],
        errors=REFUSED,
        covers=("headers.sealed.SealedSource.verify",),
    ),
    Target("header-chain", _segment, _segment_seeds, errors=REFUSED, covers=("headers.chain.VerifiedChain.extend",)),
    Target(
        "account-proof",
        _account,
        lambda: [join_parts(_parts_of_proof()[2])],
        errors=REFUSED,
        covers=("headers.proofs.verify_account",),
    ),
    Target(
        "storage-proof",
        _slot,
        lambda: [join_parts(_parts_of_proof()[3])],
        errors=REFUSED,
        covers=("headers.proofs.verify_slot",),
    ),
    Target(
        "proof-nodes",
        _any_root,
        _any_root_seeds,
        errors=REFUSED,
        covers=("headers.proofs.verify_value",),
        examples=200,
    ),
    Target("quote", parse_quote, _quote_seeds, covers=("attestation.vendors.dcap_quote.parse_quote",), examples=200),
    Target(
        "padded-quote",
        trim_quote,
        lambda: [quote + bytes(100) for quote in _quote_seeds()],
        covers=("attestation.vendors.dcap_quote.trim_quote",),
    ),
    Target("evidence", decode_evidence, _evidence_seeds, covers=("attestation.evidence.decode_evidence",)),
    Target(
        "verified-evidence",
        _verify,
        _evidence_seeds,
        errors=REFUSED,
        covers=("attestation.verify.verify_evidence",),
        examples=100,
    ),
    Target("admission", _admit, lambda: _evidence_seeds()[:1], errors=REFUSED, examples=30),
    Target(
        "collateral",
        _collateral,
        lambda: [samples.SGX.collateral],
        errors=REFUSED,
        covers=("attestation.vendors.dcap.verify_dcap",),
        examples=100,
    ),
    Target("real-evidence", _real_quote, _real_seeds, errors=REFUSED),
)
