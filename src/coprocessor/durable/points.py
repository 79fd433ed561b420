"""The registry of persist points: every place where a process writes what must outlive it.

A crash at any of them leaves the state before or after, never between; ``tests/faults`` crashes a process at each, and
refuses writes that name none.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Moment", "PersistPoint"]


class PersistPoint(Enum):
    """A durable write, named ``owner.what``."""

    # Whole files
    KEY_FILE = "key.file"
    """A person's or operator's key."""
    NODE_SEALER = "node.sealer"
    """The development chain's sealer key."""
    UP_STATE = "up.state"
    """First nonce of a deployment, ports."""
    UP_GENESIS = "up.genesis"
    """The network before its gatekeepers."""
    UP_NETWORK = "up.network"
    """The network that clients pin."""
    GATEKEEPER_SHARE = "gatekeeper.share"
    """The sealed share and the outcome of the key ceremony."""
    GATEKEEPER_PAD = "gatekeeper.pad"
    """The sealed share under another pad; afterwards the others forget the pad before."""
    CUSTODIAN_FILE = "custodian.file"
    """A gatekeeper's request to custodians, or a piece opened for it."""
    WORKER_CHECKPOINT = "worker.checkpoint"
    """A checkpoint of the cluster, sealed by the enclave."""
    HOLDER_CHECKPOINT = "holder.checkpoint"
    """A checkpoint of a cluster that its operator does not belong to."""
    WORKER_NATIVE_CODE = "worker.native_code"
    """A guest's native code, sealed by the enclave."""
    CLIENT_NATIVE_CODE = "client.native_code"
    """A guest's native code among an author's cache files."""
    CLIENT_RECEIPT = "client.receipt"
    """A receipt file that somebody asked for."""
    CLIENT_OPENING = "client.opening"
    """What shows somebody the source of private code."""
    CLIENT_DEPLOYMENT = "client.deployment"
    """The salt of a program that is being made."""
    CLIENT_PROJECT = "client.project"
    """The files of a new project."""

    # Notes added to a file
    CLIENT_JOURNAL = "client.journal"
    """The nonce of an author's command."""

    # Transactions of SQLite files
    NODE_TABLES = "node.tables"
    """The development chain's empty file."""
    NODE_GENESIS = "node.genesis"
    """The development chain's first block."""
    NODE_START = "node.start"
    """What a start of the development chain puts in order."""
    NODE_POOL = "node.pool"
    """Transactions that wait."""
    NODE_BLOCK = "node.block"
    """A block with state, receipts and logs."""
    NODE_REORGANISATION = "node.reorganisation"
    """Blocks in place of others."""
    NODE_TIME = "node.time"
    """The shift of the development chain's clock."""
    WORKER_CACHE = "worker.cache"
    """A worker's cache, new or opened again."""
    WORKER_LINK = "worker.link"
    """What an enclave made of a link."""
    WORKER_RECEIPT = "worker.receipt"
    """A settled receipt."""
    WORKER_DELIVERY = "worker.delivery"
    """A request that needs nothing more."""
    WORKER_PRUNING = "worker.pruning"
    """Old outputs that make room."""


class Moment(Enum):
    """When at a persist point: nothing written; written in part, or not yet in force; in force."""

    BEFORE = "before"
    MIDDLE = "middle"
    AFTER = "after"
