"""What host and enclave say to each other: the whole of it.

Every message is a frozen record with one canonical encoding (``codec.records``); the loop carries them length-prefixed
(four bytes, big-endian) over a local socket. There is no message by which a host could give the enclave time or entropy
(PROTOCOL 2.5; a test compares the tables), and none that returns a secret, except to tests: processes on simulated
hardware, whose memory whoever owns the machine reads anyway, know one message more (``simulated``).
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec.records import RecordTable

__all__ = [
    "GATEKEEPER_REPLIES",
    "GATEKEEPER_REQUESTS",
    "MAX_MESSAGE",
    "WORKER_REPLIES",
    "WORKER_REQUESTS",
    "AccountProof",
    "AdmissionSigned",
    "Admit",
    "Answer",
    "Attest",
    "AttestMemory",
    "Attested",
    "BeaconCeremony",
    "BeaconSigned",
    "BeaconStep",
    "BootGatekeeper",
    "BootWorker",
    "Booted",
    "BoundaryReached",
    "Ceremony",
    "CeremonyStep",
    "ChainProof",
    "CheckpointPiece",
    "Code",
    "ConfirmPad",
    "CountReceipts",
    "Custody",
    "DumpMemory",
    "Failure",
    "Genesis",
    "GenesisSigned",
    "GetCustody",
    "GetStatus",
    "GivePiece",
    "GiveTicket",
    "Halted",
    "Handover",
    "HandoverSigned",
    "HandoverStep",
    "Head",
    "Headers",
    "InputKeySigned",
    "ItemOutput",
    "KeepCache",
    "KeepPiece",
    "KeysReady",
    "KeysSigned",
    "LinkData",
    "LinkExecuted",
    "Links",
    "LinksAccepted",
    "MakeOffers",
    "MakeReceipt",
    "MemoryDump",
    "NeedCode",
    "NeedKeys",
    "NeedRuntime",
    "Offered",
    "Offers",
    "OutputsKept",
    "PadConfirmed",
    "Partials",
    "PieceGiven",
    "PieceKept",
    "PieceTaken",
    "PrepareGuest",
    "ProofAccepted",
    "Query",
    "Ready",
    "Release",
    "ReleaseRequested",
    "Released",
    "RequestTicket",
    "Restore",
    "RestorePiece",
    "Restored",
    "Said",
    "SealKeys",
    "Sealed",
    "ShareKept",
    "SignBeacon",
    "SignHandover",
    "SignKeys",
    "SignedReceipt",
    "SlotProof",
    "Status",
    "Stop",
    "TakePieces",
    "TicketGiven",
    "TicketRequested",
    "Tickets",
    "TranscriptEntry",
    "Unwrapped",
    "VerifyCandidate",
    "Wrapped",
    "simulated",
]

MAX_MESSAGE = 128 * 1024 * 1024
"""Bytes of one message between host and enclave."""


# ---- both cores: from the host


@dataclass(frozen=True, slots=True)
class Headers:
    """A segment of finalised headers: RLP each, linked by parent hash, with seals over the last (PROTOCOL 2.1)."""

    headers: tuple[bytes, ...]
    seals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SlotProof:
    """A storage slot (32 bytes) with its Merkle Patricia nodes from the root down."""

    slot: bytes
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """One of the network's contracts, by name, with its account's nodes and some of its slots."""

    contract: str
    nodes: tuple[bytes, ...]
    slots: tuple[SlotProof, ...]


@dataclass(frozen=True, slots=True)
class ChainProof:
    """Proofs under the state root of the verified header at ``block_number`` (PROTOCOL 1.3)."""

    block_number: int
    accounts: tuple[AccountProof, ...]


@dataclass(frozen=True, slots=True)
class Attest:
    """Make evidence over this enclave's keys and its newest finalised block (PROTOCOL 1.2)."""


@dataclass(frozen=True, slots=True)
class GetStatus:
    """Say how far the enclave is."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the process; everything in it is forgotten."""


# ---- both cores: to the host


@dataclass(frozen=True, slots=True)
class Booted:
    """The enclave's public keys: signing address (20 bytes), compressed signing key (33), sealing key (32)."""

    signer: bytes
    signing_key: bytes
    sealing_key: bytes
    platform: bytes
    simulated: bool


@dataclass(frozen=True, slots=True)
class Head:
    """The newest verified finalised block."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class ProofAccepted:
    """All proofs of a ``ChainProof`` hold."""

    block_number: int


@dataclass(frozen=True, slots=True)
class Attested:
    """Evidence over the keys, and the values that its report data binds (PROTOCOL 1.2).

    Args:
        evidence: ``attestation.Evidence`` encoded.
        checkpoint_hash: hash of the first header that the enclave took.
        block_number: newest finalised block.
        block_hash: of that block.
    """

    evidence: bytes
    checkpoint_hash: bytes
    block_number: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """The message before was refused; nothing changed."""

    code: str
    what: str
    why: str
    next: str


# ---- worker: from the host


@dataclass(frozen=True, slots=True)
class BootWorker:
    """First message to a worker.

    Args:
        network: text of ``network.json``.
        operator: 20 bytes.
        cluster: 32 bytes.
    """

    network: str
    operator: bytes
    cluster: bytes


@dataclass(frozen=True, slots=True)
class RequestTicket:
    """Make a fresh nonce for a freshness ticket (PROTOCOL 2.4)."""


@dataclass(frozen=True, slots=True)
class Tickets:
    """Tickets of gatekeepers over the nonce; asks for a release request for ``epoch``."""

    epoch: int
    tickets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Partials:
    """Sealed partial signatures of gatekeepers for ``epoch``, with the master public key (96 bytes) and the share
    public keys in member order (checked against the proven hash)."""

    epoch: int
    master_key: bytes
    share_keys: tuple[bytes, ...]
    partials: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PrepareGuest:
    """Load an interpreter (``python``) ahead of its first program.

    Args:
        language: of the guest.
        runtime: 32 bytes, of this release: the one that the cluster has, or is going to have.
        cached: what an earlier ``KeepCache`` handed out under this enclave's platform, measurement and that runtime, or
            empty. What does not open is made again, never loaded (PROTOCOL 5.8).
    """

    language: str
    runtime: bytes
    cached: bytes


@dataclass(frozen=True, slots=True)
class RestorePiece:
    """The next sealed piece of the checkpoint from which a fresh enclave begins."""

    sealed: bytes


@dataclass(frozen=True, slots=True)
class PieceTaken:
    """So many pieces of a checkpoint are here."""

    count: int


@dataclass(frozen=True, slots=True)
class Restore:
    """All pieces were given: begin with the checkpoint of this manifest, which the chain names (PROTOCOL 8.5)."""

    manifest: bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """So many links are behind this enclave now."""

    count: int


@dataclass(frozen=True, slots=True)
class LinkData:
    """One inbox entry as the node tells it; it counts only once it replays to a proven head (PROTOCOL 2.2, 3.1)."""

    index: int
    kind: int
    origin: bytes
    payer: bytes
    item_count: int
    fuel_limit: int
    fee_limit: int
    block_number: int
    timestamp: int
    prevrandao: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Links:
    """Consecutive inbox entries; the first must be the next that the enclave lacks."""

    links: tuple[LinkData, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Chunks of a published code package; their rolling hash must be ``code_hash``."""

    code_hash: bytes
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MakeReceipt:
    """Sign the transition from ``first`` links to ``to`` links (both executed)."""

    first: int
    to: int


@dataclass(frozen=True, slots=True)
class Query:
    """A sealed query to a program; ``tag`` comes back with the answer."""

    tag: int
    program: bytes
    sealed: bytes
    deadline_ms: int


# ---- worker: to the host


@dataclass(frozen=True, slots=True)
class TicketRequested:
    """The nonce (32 bytes) that gatekeepers shall sign."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """A signed request for partial keys; goes to gatekeepers."""

    request: bytes


@dataclass(frozen=True, slots=True)
class KeysReady:
    """The cluster key of ``epoch`` is held; ``wrong`` gatekeepers (numbers from 1) gave parts that are not theirs."""

    epoch: int
    wrong: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LinksAccepted:
    """Links buffered so far, links proven, links executed (counts)."""

    buffered: int
    proven: int
    executed: int


@dataclass(frozen=True, slots=True)
class NeedKeys:
    """An epoch begins whose keys the enclave does not hold: links wait until they are released (PROTOCOL 8.3)."""

    epoch: int


@dataclass(frozen=True, slots=True)
class NeedCode:
    """Execution waits for a code package."""

    code_hash: bytes


@dataclass(frozen=True, slots=True)
class ItemOutput:
    """One item's public outcome: the leaf's fields and the sealed output (or the readable one of a request, with
    ``salt`` zero and ``public`` true)."""

    position: int
    program: bytes
    request: bytes
    status: int
    fuel: int
    plaintext_hash: bytes
    ciphertext_hash: bytes
    output: bytes
    public: bool
    void_rule: str


@dataclass(frozen=True, slots=True)
class KeepCache:
    """Notice: sealed native code of a guest, worth keeping on the host's disk (PROTOCOL 5.8)."""

    name: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class CheckpointPiece:
    """Notice: one sealed piece of a checkpoint that ``BoundaryReached`` is going to name, worth keeping and serving."""

    index: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class BoundaryReached:
    """Notice: nothing is left under keys older than ``epoch``'s; the state is in a checkpoint, whose pieces came
    before. ``signature`` is over the EIP-712 struct ``Boundary`` (PROTOCOL 8.4)."""

    epoch: int
    count: int
    inbox_head: bytes
    root: bytes
    checkpoint: bytes
    manifest: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Halted:
    """Notice: the enclave stopped executing for good; nothing more is signed until a restart."""

    code: str
    what: str
    why: str
    next: str


@dataclass(frozen=True, slots=True)
class NeedRuntime:
    """Notice: the next link begins an epoch whose runtime is not in this release (PROTOCOL 12). The enclave executes
    nothing more and answers no query; receipts up to that link are signed as before.

    Args:
        epoch: that begins.
        link: its first, not executed.
        runtime: 32 bytes, that is missing.
        failure: what is missing and what to do.
    """

    epoch: int
    link: int
    runtime: bytes
    failure: Failure


@dataclass(frozen=True, slots=True)
class LinkExecuted:
    """A link is executed: root after it and outputs of its items."""

    index: int
    link_hash: bytes
    state_root: bytes
    outputs: tuple[ItemOutput, ...]


@dataclass(frozen=True, slots=True)
class OutputsKept:
    """What a checkpoint kept of a link that was executed before it: the digests of its leaves by position, and the
    output of a smart contract's request, where it is one."""

    index: int
    link_hash: bytes
    leaves: tuple[bytes, ...]
    outputs: tuple[ItemOutput, ...]


@dataclass(frozen=True, slots=True)
class InputKeySigned:
    """The program's input key of an epoch, signed by this enclave for ``Programs.dispute_input_key``; the cluster's id
    in place of a program's means its code key."""

    program: bytes
    epoch: int
    key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignKeys:
    """Sign the public keys of these programs in the present epoch, for ``Programs.publish_keys``; the cluster's id
    means its code key.

    Args:
        epoch: the present one.
        kind: ``protocol.statements.INPUT_KEY`` or ``ACCOUNT_SIGNER``.
        programs: 32 bytes each, at most ``protocol.statements.MAX_PROGRAM_KEYS``.
    """

    epoch: int
    kind: int
    programs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KeysSigned:
    """Keys in the order in which they were asked for, 32 bytes each, and the enclave's signature over the
    ``ProgramKeysRecord`` of them all."""

    epoch: int
    keys: tuple[bytes, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """Every field of ``protocol.receipts.Receipt`` in order, and the enclave's signature."""

    network: bytes
    cluster: bytes
    epoch: int
    runtime: bytes
    first: int
    to: int
    inbox_head: bytes
    previous_root: bytes
    new_root: bytes
    outputs_root: bytes
    block_number: int
    block_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a query: ``protocol.queries.QueryReply`` encoded, or a failure."""

    tag: int
    reply: bytes
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Ready:
    """Reply to a message that has nothing else to say."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far the enclave is: counts of links, root, epoch, whether keys are held, the verified block, and how many
    entries may be left under older keys."""

    block_number: int
    buffered: int
    proven: int
    executed: int
    epoch: int
    has_keys: bool
    state_root: bytes
    older_entries: int = 0


# ---- gatekeeper: from the host


@dataclass(frozen=True, slots=True)
class BootGatekeeper:
    """First message to a gatekeeper.

    Args:
        network: text of a ``network.json``; before genesis its list of gatekeepers is empty.
        operator: 20 bytes.
        sealed_share: what an earlier run handed out, or empty.
    """

    network: str
    operator: bytes
    sealed_share: bytes


@dataclass(frozen=True, slots=True)
class Genesis:
    """Evidence of all first gatekeepers in member order, with what each binds (``Attested`` fields and keys); the
    enclave verifies every one and signs the genesis digest (PROTOCOL 9.1)."""

    threshold: int
    members: tuple[Admit, ...]


@dataclass(frozen=True, slots=True)
class TranscriptEntry:
    """One message of a key ceremony as ``Gatekeeping`` logged it: number of the member, kind, block, data."""

    member: int
    kind: int
    block_number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ceremony:
    """All messages of the key ceremony up to the block under which its slots were proven last (PROTOCOL 9.3)."""

    entries: tuple[TranscriptEntry, ...]


@dataclass(frozen=True, slots=True)
class Admit:
    """An enclave asks to be admitted: its evidence, and all that its report data binds."""

    role: int
    operator: bytes
    signer: bytes
    signing_key: bytes
    sealing_key: bytes
    evidence: bytes
    checkpoint_hash: bytes
    checkpoint_number: int
    block_number: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class SealKeys:
    """Hand out what a candidate needs to have the same keys after a restart."""


@dataclass(frozen=True, slots=True)
class VerifyCandidate:
    """A member of the announced committee: its evidence, and all that its report data binds (PROTOCOL 9.4)."""

    candidate: Admit


@dataclass(frozen=True, slots=True)
class SignHandover:
    """Agree to the handover to the announced committee, if its rules hold (PROTOCOL 9.4)."""


@dataclass(frozen=True, slots=True)
class Handover:
    """All messages of the handover under way, with the present committee's keys (checked against the proven hashes)."""

    master_key: bytes
    share_keys: tuple[bytes, ...]
    entries: tuple[TranscriptEntry, ...]


@dataclass(frozen=True, slots=True)
class GiveTicket:
    """Sign (nonce, finalised block): the block with this number, if it is recent; 0 for the newest."""

    nonce: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class BeaconCeremony:
    """All messages of the beacon's key ceremony up to the block under which its slots were proven (PROTOCOL 10)."""

    entries: tuple[TranscriptEntry, ...]


@dataclass(frozen=True, slots=True)
class SignBeacon:
    """Sign the beacon's value of a height (PROTOCOL 10)."""

    height: int


@dataclass(frozen=True, slots=True)
class Release:
    """A worker's release request (``ReleaseRequested``); the proofs of its membership came before as ``ChainProof``."""

    request: bytes


@dataclass(frozen=True, slots=True)
class AttestMemory:
    """Make evidence over the gatekeeper's signing key and the key that its memory alone holds; answered by
    ``Attested`` (PROTOCOL 9.5)."""


@dataclass(frozen=True, slots=True)
class GetCustody:
    """Tell how the share at rest stands."""


@dataclass(frozen=True, slots=True)
class MakeOffers:
    """Pieces of the newest pad for these other gatekeepers, each shown by evidence over its memory's key."""

    presences: tuple[Admit, ...]


@dataclass(frozen=True, slots=True)
class KeepPiece:
    """A piece of another member's pad (``keys.pads.Offer``)."""

    offer: bytes


@dataclass(frozen=True, slots=True)
class CountReceipts:
    """Others' receipts for pieces of the newest pad."""

    receipts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ShareKept:
    """The newest blob is durable: tell the others that earlier pads are needed no more."""


@dataclass(frozen=True, slots=True)
class ConfirmPad:
    """Another member's word that its disk needs no earlier pad."""

    confirmation: bytes


@dataclass(frozen=True, slots=True)
class GivePiece:
    """A restarted member, shown by evidence over its memory's key, asks for its piece of a pad (32 bytes); proofs of
    the members came before as ``ChainProof``."""

    presence: Admit
    pad: bytes


@dataclass(frozen=True, slots=True)
class TakePieces:
    """Pieces that came back: from other members (``PieceGiven``), and from offline custodians."""

    answers: tuple[bytes, ...]
    custodians: tuple[bytes, ...]


# ---- gatekeeper: to the host


@dataclass(frozen=True, slots=True)
class Custody:
    """How the share at rest stands.

    Args:
        kind: the network's custodian: none, keys or file.
        memory_key: 32 bytes, what pieces for this gatekeeper are sealed to.
        is_locked: the share waits for its pad.
        is_durable: what the blob holds survives the end of the enclave's process.
        record: CBOR of the newest pad's record, or of the one that is waited for; empty where there is no pad.
        receipts: how many others keep pieces of the newest pad.
        pieces: the custodians' pieces of the pad that is waited for.
    """

    kind: str
    memory_key: bytes
    is_locked: bool
    is_durable: bool
    record: bytes
    receipts: int
    pieces: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Offered:
    """A piece for the member with this signing address."""

    holder: bytes
    offer: bytes


@dataclass(frozen=True, slots=True)
class Offers:
    """Pieces to carry to other members (``KeepPiece``)."""

    offers: tuple[Offered, ...]


@dataclass(frozen=True, slots=True)
class PieceKept:
    """A receipt for a piece that this memory holds."""

    receipt: bytes


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The blob under the newest pad, which the host MUST make durable before ``ShareKept``; empty where nothing has
    changed."""

    sealed: bytes


@dataclass(frozen=True, slots=True)
class PadConfirmed:
    """What to carry to the other members (``ConfirmPad``); empty where there is nothing to tell."""

    confirmation: bytes


@dataclass(frozen=True, slots=True)
class PieceGiven:
    """A piece, sealed to the asking enclave's memory."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """The share is there again. ``wrong``: holders (numbers from 1) that gave pieces which are not the pad's;
    ``sealed``: what to keep from now on, or empty."""

    wrong: tuple[int, ...]
    sealed: bytes


@dataclass(frozen=True, slots=True)
class GenesisSigned:
    """The genesis digest, this member's signature over the ``GenesisRecord``, and what the host MUST have made durable
    before it shows the signature to anybody."""

    network: bytes
    signature: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class CeremonyStep:
    """How the key ceremony stands for this member.

    Args:
        session: of the attempt that is under way, 32 bytes; empty once ``done``.
        phase: 1 announce, 2 reveal, 3 complain, 4 outcome.
        message: what the host shall post now under the kind ``phase``; may be empty.
        master_key: 96 bytes, and
        share_keys: 96 bytes each in member order, once there is an outcome.
        signature: this member's over the ``MasterKeyRecord``; empty where it got no share.
        sealed: what the host MUST have made durable before it shows ``signature`` to anybody; may be empty.
        done: the chain has recorded the outcome.
        has_share: this member holds a share of the recorded key.
        failure: code of the reason why this attempt has no outcome, or empty.
    """

    session: bytes
    phase: int
    message: bytes
    master_key: bytes
    share_keys: tuple[bytes, ...]
    signature: bytes
    sealed: bytes
    done: bool
    has_share: bool
    failure: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the host MUST have made durable before it shows this enclave's evidence to anybody."""

    sealed: bytes


@dataclass(frozen=True, slots=True)
class HandoverSigned:
    """The session of the handover that this enclave agrees to (32 bytes), and its signature over the
    ``HandoverRecord``."""

    session: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """Something to post: number of the speaker, kind, data."""

    member: int
    kind: int
    data: bytes


@dataclass(frozen=True, slots=True)
class HandoverStep:
    """How the handover under way stands for this enclave.

    Args:
        session: 32 bytes; zero where none is under way.
        phase: 1 announce, 2 reveal, 3 complain, 4 outcome, 0 where none is under way.
        says: what the host shall post now.
        share_keys: of the next committee, once there is an outcome.
        sealed: what the host MUST have made durable before it posts anything; may be empty.
        unknown: next members (from 0) whose evidence this enclave has not verified yet.
        committee: number of the committee that the enclave's share belongs to.
        has_share: whether it holds one.
        failure: code of the reason why this attempt has no outcome, or empty.
    """

    session: bytes
    phase: int
    says: tuple[Said, ...]
    share_keys: tuple[bytes, ...]
    sealed: bytes
    unknown: tuple[int, ...]
    committee: int
    has_share: bool
    failure: str


@dataclass(frozen=True, slots=True)
class AdmissionSigned:
    """Every field of ``protocol.statements.Admission`` in order, and the signature."""

    operator: bytes
    platform: bytes
    role: int
    signer: bytes
    sealing_key: bytes
    evidence_digest: bytes
    measurement: bytes
    root: bytes
    level: int
    simulated: bool
    configuration: bytes
    block_number: int
    block_hash: bytes
    expires: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class TicketGiven:
    """A signed ticket."""

    ticket: bytes


@dataclass(frozen=True, slots=True)
class BeaconStep:
    """How the beacon's key ceremony stands for this member.

    Args:
        session: 32 bytes.
        phase: 1 announce, 2 reveal, 3 complain, 4 outcome.
        message: what the host shall post now under the kind ``phase``; may be empty.
        beacon_key: 96 bytes, and
        share_keys: 96 bytes each in member order, once there is an outcome.
        signature: this member's over the ``BeaconKeyRecord``; empty where it got no share.
        done: the chain has recorded the outcome.
        has_share: this member holds a share of it.
        failure: code of the reason why this attempt has no outcome, or empty.
    """

    session: bytes
    phase: int
    message: bytes
    beacon_key: bytes
    share_keys: tuple[bytes, ...]
    signature: bytes
    done: bool
    has_share: bool
    failure: str


@dataclass(frozen=True, slots=True)
class BeaconSigned:
    """A member's part of a beacon's value.

    Args:
        height: whose.
        committee: number of the committee whose key serves that height.
        index: of the member in it, from 1.
        signature: 48 bytes.
    """

    height: int
    committee: int
    index: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Released:
    """A partial signature sealed to the worker's enclave."""

    partial: bytes


_COMMON_REQUESTS = (Headers, ChainProof, Attest, GetStatus, Stop)
_COMMON_REPLIES = (Booted, Head, ProofAccepted, Attested, Failure, Ready, Status)

WORKER_REQUESTS = RecordTable(
    (
        *_COMMON_REQUESTS,
        BootWorker,
        PrepareGuest,
        RequestTicket,
        Tickets,
        Partials,
        RestorePiece,
        Restore,
        Links,
        Code,
        MakeReceipt,
        SignKeys,
        Query,
    ),
    MAX_MESSAGE,
)
WORKER_REPLIES = RecordTable(
    (
        *_COMMON_REPLIES,
        TicketRequested,
        ReleaseRequested,
        KeysReady,
        LinksAccepted,
        NeedCode,
        NeedKeys,
        CheckpointPiece,
        BoundaryReached,
        Restored,
        PieceTaken,
        KeepCache,
        Halted,
        NeedRuntime,
        LinkExecuted,
        OutputsKept,
        InputKeySigned,
        KeysSigned,
        SignedReceipt,
        Answer,
    ),
    MAX_MESSAGE,
)
GATEKEEPER_REQUESTS = RecordTable(
    (
        *_COMMON_REQUESTS,
        BootGatekeeper,
        Genesis,
        Ceremony,
        SealKeys,
        VerifyCandidate,
        SignHandover,
        Handover,
        Admit,
        GiveTicket,
        BeaconCeremony,
        SignBeacon,
        Release,
        AttestMemory,
        GetCustody,
        MakeOffers,
        KeepPiece,
        CountReceipts,
        ShareKept,
        ConfirmPad,
        GivePiece,
        TakePieces,
    ),
    MAX_MESSAGE,
)
GATEKEEPER_REPLIES = RecordTable(
    (
        *_COMMON_REPLIES,
        GenesisSigned,
        CeremonyStep,
        Sealed,
        HandoverSigned,
        HandoverStep,
        AdmissionSigned,
        TicketGiven,
        BeaconStep,
        BeaconSigned,
        Released,
        Custody,
        Offers,
        PieceKept,
        Wrapped,
        PadConfirmed,
        PieceGiven,
        Unwrapped,
    ),
    MAX_MESSAGE,
)


# ---- simulated hardware alone


@dataclass(frozen=True, slots=True)
class DumpMemory:
    """Tell all that the core holds: an attack for tests (``enclave.memory``)."""


@dataclass(frozen=True, slots=True)
class MemoryDump:
    """Every byte string and large number of the core's memory."""

    values: tuple[bytes, ...]


def simulated(table: RecordTable) -> RecordTable:
    """A core's table of requests or replies as a process on simulated hardware has it."""
    return table.extended(DumpMemory, MemoryDump)
