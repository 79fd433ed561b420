"""Storage slots of the variables that enclaves and clients prove (PROTOCOL 1.3).

Our contracts give every proven field a slot of its own. A Vyper mapping keeps the value of a key at
``keccak256(slot || key)``, both 32 bytes; members of a struct follow one another. A test compares the numbers here with
the storage layouts of the compiled contracts.

**Source:** Vyper documentation, "Storage layout".
"""

from __future__ import annotations

from typing import Final

from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Digest

__all__ = [
    "STRUCTS",
    "VARIABLES",
    "account_signer",
    "beacon_key",
    "beacon_transcript_count",
    "beacon_transcript_head",
    "beacon_value",
    "beacon_variable",
    "cluster_boundary",
    "cluster_epoch",
    "cluster_field",
    "cluster_member",
    "cluster_next_runtime",
    "gatekeeping_committee",
    "gatekeeping_genesis",
    "gatekeeping_is_handover",
    "gatekeeping_master_key_hash",
    "gatekeeping_member",
    "gatekeeping_member_count",
    "gatekeeping_next",
    "gatekeeping_next_member",
    "gatekeeping_opened",
    "gatekeeping_phase_blocks",
    "gatekeeping_revoked",
    "gatekeeping_session",
    "gatekeeping_share_keys_hash",
    "gatekeeping_threshold",
    "gatekeeping_transcript_count",
    "gatekeeping_transcript_head",
    "inbox_count",
    "inbox_head",
    "input_key",
    "mapping_slot",
    "program_account",
    "program_announcement",
    "program_by_handle",
    "program_field",
    "program_upgrade",
    "program_upgrade_count",
    "published_code",
    "receipt_field",
    "registry_bound_worker",
    "registry_configuration",
    "registry_distrusted",
    "registry_has_distrusted",
    "registry_measurement",
    "registry_pin",
    "registry_policy",
    "registry_worker",
    "registry_worker_of",
    "settled",
    "settlement_frozen_from",
]

VARIABLES: Final[dict[str, dict[str, int]]] = {
    "Gatekeeping": {
        "genesis": 0,
        "threshold": 1,
        "member_count": 2,
        "master_key_hash": 3,
        "members": 4,
        "session": 5,
        "opened": 6,
        "phase_blocks": 7,
        "transcript_heads": 8,
        "transcript_counts": 9,
        "committee": 10,
        "share_keys_hash": 11,
        "next_threshold": 12,
        "next_count": 13,
        "next_announced": 14,
        "next_members": 15,
        "is_handover": 16,
        "revoked": 17,
    },
    "Registry": {
        "configuration": 0,
        "workers": 1,
        "worker_of": 2,
        "bound_worker": 3,
        "distrusted": 6,
        "paused_until": 7,
        "has_distrusted": 8,
        "measurements": 9,
        "minimum_version": 10,
        "minimum_evaluation": 11,
        "pinned_until": 12,
        "refresh": 13,
        "pins": 14,
        "delay": 15,
    },
    "Clusters": {"clusters": 0, "members": 1, "epochs": 2, "boundaries": 3, "next_runtimes": 9},
    "Programs": {
        "codes": 0,
        "programs": 1,
        "handles": 2,
        "input_keys": 3,
        "announcements": 6,
        "upgrade_counts": 7,
        "upgrades": 8,
        "account_signers": 10,
    },
    "Inbox": {"heads": 0, "counts": 1},
    "Settlement": {"settled": 0, "receipts": 1, "frozen_from": 2},
    "Accounts": {"accounts": 0},
    "Beacon": {
        "session": 0,
        "opened": 1,
        "in_ceremony": 2,
        "phase_blocks": 3,
        "transcript_heads": 4,
        "transcript_counts": 5,
        "committee": 6,
        "former_committee": 7,
        "keys": 8,
        "window": 9,
        "values": 10,
        "newest": 11,
    },
}
"""By contract: slot of each proven variable."""

STRUCTS: Final[dict[str, tuple[str, ...]]] = {
    "Gatekeeping.members": ("operator", "signer", "sealing_key", "evidence_digest"),
    "Gatekeeping.next_members": ("operator", "signer", "sealing_key", "evidence_digest"),
    "Registry.workers": (
        "operator",
        "platform",
        "role",
        "signer",
        "sealing_key",
        "evidence_digest",
        "measurement",
        "level",
        "simulated",
        "admitted_block",
        "expires",
        "revoked",
        "root",
    ),
    "Registry.measurements": ("version", "since"),
    "Clusters.clusters": (
        "owner",
        "epoch",
        "quorum",
        "fast_quorum",
        "dispute_window",
        "open",
        "runtime",
        "member_count",
        "first_open",
    ),
    "Clusters.epochs": ("start", "quorum", "fast_quorum", "runtime", "raised"),
    "Clusters.boundaries": ("epoch", "count", "inbox_head", "root", "checkpoint"),
    "Clusters.next_runtimes": ("runtime", "ready"),
    "Programs.programs": ("owner", "cluster", "code_hash", "handle", "policy"),
    "Programs.announcements": ("code_hash", "ready", "expires", "fuel_limit", "number"),
    "Programs.upgrades": ("code_hash", "link"),
    "Settlement.settled": ("count", "root", "receipts"),
    "Settlement.receipts": ("to", "root", "outputs_root", "final_block"),
    "Beacon.keys": ("key_hash", "share_keys_hash", "threshold", "recorded"),
    "Beacon.values": ("value", "committee", "is_fallback"),
}
"""By proven mapping: its struct's fields in order, a slot each."""


def mapping_slot(base: bytes, *keys: bytes | int) -> Digest:
    """The slot of ``mapping[key]…``.

    Args:
        base: 32 bytes, the mapping's own slot.
        keys: from the outermost in; bytes of at most 32 are padded on the left, as an address is.
    """
    slot = base
    for key in keys:
        word = key.to_bytes(32, "big") if isinstance(key, int) else key.rjust(32, b"\0")
        slot = keccak256(slot + word)
    return Digest(slot)


def gatekeeping_genesis() -> Digest:
    """``Gatekeeping.genesis``: the network's id."""
    return _variable("Gatekeeping", "genesis")


def gatekeeping_threshold() -> Digest:
    """``Gatekeeping.threshold``."""
    return _variable("Gatekeeping", "threshold")


def gatekeeping_member_count() -> Digest:
    """``Gatekeeping.member_count``."""
    return _variable("Gatekeeping", "member_count")


def gatekeeping_master_key_hash() -> Digest:
    """``Gatekeeping.master_key_hash``: Keccak-256 of the master public key's 96 bytes."""
    return _variable("Gatekeeping", "master_key_hash")


def gatekeeping_member(index: int, field: str) -> Digest:
    """A field of ``Gatekeeping.members[index]``, index from 0."""
    return _member("Gatekeeping", "members", field, index)


def gatekeeping_session() -> Digest:
    """``Gatekeeping.session``: the key ceremony that is under way, or was the last."""
    return _variable("Gatekeeping", "session")


def gatekeeping_opened() -> Digest:
    """``Gatekeeping.opened``: the block in which that ceremony began."""
    return _variable("Gatekeeping", "opened")


def gatekeeping_phase_blocks() -> Digest:
    """``Gatekeeping.phase_blocks``: blocks after which a phase of a ceremony ends."""
    return _variable("Gatekeeping", "phase_blocks")


def gatekeeping_transcript_head(session: bytes) -> Digest:
    """``Gatekeeping.transcript_heads[session]``: the hash chain over a ceremony's messages."""
    return mapping_slot(_variable("Gatekeeping", "transcript_heads"), session)


def gatekeeping_transcript_count(session: bytes) -> Digest:
    """``Gatekeeping.transcript_counts[session]``."""
    return mapping_slot(_variable("Gatekeeping", "transcript_counts"), session)


def gatekeeping_committee() -> Digest:
    """``Gatekeeping.committee``: how many committees have held the master key."""
    return _variable("Gatekeeping", "committee")


def gatekeeping_share_keys_hash() -> Digest:
    """``Gatekeeping.share_keys_hash``: Keccak-256 of the present members' share public keys, joined."""
    return _variable("Gatekeeping", "share_keys_hash")


def gatekeeping_next(name: str) -> Digest:
    """``Gatekeeping.next_threshold``, ``next_count`` or ``next_announced``: of the committee that is announced."""
    return _variable("Gatekeeping", f"next_{name}")


def gatekeeping_next_member(index: int, field: str) -> Digest:
    """A field of ``Gatekeeping.next_members[index]``, index from 0."""
    return _member("Gatekeeping", "next_members", field, index)


def gatekeeping_is_handover() -> Digest:
    """``Gatekeeping.is_handover``: 1 while the ceremony under way hands the key over."""
    return _variable("Gatekeeping", "is_handover")


def gatekeeping_revoked(signer: bytes) -> Digest:
    """``Gatekeeping.revoked[signer]`` (20 bytes): the block in which the guardian ended this member, or 0."""
    return mapping_slot(_variable("Gatekeeping", "revoked"), signer)


def registry_configuration() -> Digest:
    """``Registry.configuration``: hash of the one configuration that the network accepts."""
    return _variable("Registry", "configuration")


def registry_worker(worker: bytes, field: str) -> Digest:
    """A field of ``Registry.workers[worker]`` (worker id: 32 bytes)."""
    return _member("Registry", "workers", field, worker)


def registry_worker_of(signer: bytes) -> Digest:
    """``Registry.worker_of[signer]`` (20 bytes): the worker whose live key this is."""
    return mapping_slot(_variable("Registry", "worker_of"), signer)


def registry_bound_worker(signer: bytes) -> Digest:
    """``Registry.bound_worker[signer]`` (20 bytes): the worker that this key serves or ever served."""
    return mapping_slot(_variable("Registry", "bound_worker"), signer)


def registry_distrusted(subject: bytes) -> Digest:
    """``Registry.distrusted[subject]`` (32 bytes): until when, in seconds; 0 if never."""
    return mapping_slot(_variable("Registry", "distrusted"), subject)


def registry_has_distrusted() -> Digest:
    """``Registry.has_distrusted``: 0 while nothing was ever distrusted."""
    return _variable("Registry", "has_distrusted")


def registry_policy(name: str) -> Digest:
    """A number of the policy: ``Registry.paused_until``, ``minimum_version``, ``minimum_evaluation``, ``pinned_until``,
    ``refresh`` or ``delay``."""
    return _variable("Registry", name)


def registry_measurement(measurement: bytes, field: str) -> Digest:
    """A field of ``Registry.measurements[measurement]`` (32 bytes): ``version``, ``since`` (seconds; 0: never)."""
    return _member("Registry", "measurements", field, measurement)


def registry_pin(refresh: int, collateral: bytes) -> Digest:
    """``Registry.pins[refresh][collateral]`` (digest, 32 bytes): 1 where that refresh pins it."""
    return mapping_slot(_variable("Registry", "pins"), refresh, collateral)


def cluster_field(cluster: bytes, field: str) -> Digest:
    """A field of ``Clusters.clusters[cluster]``."""
    return _member("Clusters", "clusters", field, cluster)


def cluster_epoch(cluster: bytes, epoch: int, field: str) -> Digest:
    """A field of ``Clusters.epochs[cluster][epoch]``."""
    return _member("Clusters", "epochs", field, cluster, epoch)


def cluster_boundary(cluster: bytes, field: str) -> Digest:
    """A field of ``Clusters.boundaries[cluster]``: where the cluster's closed epochs ended (PROTOCOL 8.4)."""
    return _member("Clusters", "boundaries", field, cluster)


def cluster_next_runtime(cluster: bytes, field: str) -> Digest:
    """A field of ``Clusters.next_runtimes[cluster]``: the runtime that is announced (PROTOCOL 12), or zero."""
    return _member("Clusters", "next_runtimes", field, cluster)


def cluster_member(cluster: bytes, worker: bytes) -> Digest:
    """``Clusters.members[cluster][worker]``: the epoch in which the worker joined, 0 if it is no member."""
    return mapping_slot(_variable("Clusters", "members"), cluster, worker)


def published_code(code_hash: bytes) -> Digest:
    """``Programs.codes[code_hash]``: number of chunks, 0 if unpublished."""
    return mapping_slot(_variable("Programs", "codes"), code_hash)


def program_field(program: bytes, field: str) -> Digest:
    """A field of ``Programs.programs[program]``."""
    return _member("Programs", "programs", field, program)


def program_by_handle(cluster: bytes, handle: int) -> Digest:
    """``Programs.handles[cluster][handle]``: the program's id."""
    return mapping_slot(_variable("Programs", "handles"), cluster, handle)


def input_key(program: bytes, epoch: int) -> Digest:
    """``Programs.input_keys[program][epoch]``; ``program`` is the cluster's id for the cluster's own key."""
    return mapping_slot(_variable("Programs", "input_keys"), program, epoch)


def program_announcement(program: bytes, field: str) -> Digest:
    """A field of ``Programs.announcements[program]``: the upgrade that waits; all zero where none does."""
    return _member("Programs", "announcements", field, program)


def program_upgrade_count(program: bytes) -> Digest:
    """``Programs.upgrade_counts[program]``."""
    return mapping_slot(_variable("Programs", "upgrade_counts"), program)


def program_upgrade(program: bytes, number: int, field: str) -> Digest:
    """A field of ``Programs.upgrades[program][number]``, number from 1."""
    return _member("Programs", "upgrades", field, program, number)


def account_signer(program: bytes, epoch: int) -> Digest:
    """``Programs.account_signers[program][epoch]``: who signs for the program's account."""
    return mapping_slot(_variable("Programs", "account_signers"), program, epoch)


def program_account(program: bytes) -> Digest:
    """``Accounts.accounts[program]``: the program's account, zero while it does not exist."""
    return mapping_slot(_variable("Accounts", "accounts"), program)


def inbox_head(cluster: bytes) -> Digest:
    """``Inbox.heads[cluster]``."""
    return mapping_slot(_variable("Inbox", "heads"), cluster)


def inbox_count(cluster: bytes) -> Digest:
    """``Inbox.counts[cluster]``."""
    return mapping_slot(_variable("Inbox", "counts"), cluster)


def settled(cluster: bytes, field: str) -> Digest:
    """A field of ``Settlement.settled[cluster]``: ``count`` of links, ``root`` after them, number of ``receipts``."""
    return _member("Settlement", "settled", field, cluster)


def receipt_field(cluster: bytes, number: int, field: str) -> Digest:
    """A field of ``Settlement.receipts[cluster][number]``."""
    return _member("Settlement", "receipts", field, cluster, number)


def settlement_frozen_from(cluster: bytes) -> Digest:
    """``Settlement.frozen_from[cluster]``: 0, or 1 + the number of the first frozen receipt."""
    return mapping_slot(_variable("Settlement", "frozen_from"), cluster)


def beacon_variable(name: str) -> Digest:
    """A variable of ``Beacon`` that is no mapping: its ceremony, whose keys serve, its window, the newest height."""
    return _variable("Beacon", name)


def beacon_transcript_head(session: bytes) -> Digest:
    """``Beacon.transcript_heads[session]``: the hash chain over a ceremony's messages."""
    return mapping_slot(_variable("Beacon", "transcript_heads"), session)


def beacon_transcript_count(session: bytes) -> Digest:
    """``Beacon.transcript_counts[session]``."""
    return mapping_slot(_variable("Beacon", "transcript_counts"), session)


def beacon_key(committee: int, field: str) -> Digest:
    """A field of ``Beacon.keys[committee]``: the key of a committee, by its number."""
    return _member("Beacon", "keys", field, committee)


def beacon_value(height: int, field: str) -> Digest:
    """A field of ``Beacon.values[height]``: the value of the window that begins there."""
    return _member("Beacon", "values", field, height)


def _variable(contract: str, name: str) -> Digest:
    return Digest(VARIABLES[contract][name].to_bytes(32, "big"))


def _member(contract: str, mapping: str, field: str, *keys: bytes | int) -> Digest:
    fields = STRUCTS[f"{contract}.{mapping}"]
    if field not in fields:
        raise CallerMisuse("layout.field", f"{contract}.{mapping} has no {field!r}", f"it has {', '.join(fields)}")
    slot = int.from_bytes(mapping_slot(_variable(contract, mapping), *keys), "big") + fields.index(field)
    return Digest((slot % (1 << 256)).to_bytes(32, "big"))
