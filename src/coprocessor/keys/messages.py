"""The messages of a key ceremony on the wire: deterministic CBOR records of bounded length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coprocessor.codec.records import RecordTable
from coprocessor.crypto.bls import G1_LENGTH, G2_LENGTH, SCALAR_LENGTH
from coprocessor.keys.dealing import Complaint, Dealing
from coprocessor.keys.dkg import Announcement
from coprocessor.keys.shares import MAX_MEMBERS
from coprocessor.values.errors import MalformedInput

__all__ = ["MAX_DKG_MESSAGE", "Complaints", "DkgMessage", "decode_dkg_message", "encode_dkg_message"]

MAX_DKG_MESSAGE: Final = 1024 + MAX_MEMBERS * (G2_LENGTH + SCALAR_LENGTH + G1_LENGTH)
"""Bytes of one message; a dealing among all members is the longest."""


@dataclass(frozen=True, slots=True)
class Complaints:
    """All that one receiver has to say against dealers; empty where it accepts every share."""

    complaints: tuple[Complaint, ...]


DkgMessage = Announcement | Dealing | Complaints

_TABLE: Final = RecordTable((Announcement, Dealing, Complaints), MAX_DKG_MESSAGE)


def encode_dkg_message(message: DkgMessage) -> bytes:
    """At most ``MAX_DKG_MESSAGE`` bytes."""
    return _TABLE.encode(message)


def decode_dkg_message(data: bytes) -> DkgMessage:
    """Inverse of ``encode_dkg_message``. What the message claims is judged by ``dkg.judge``. Raises MalformedInput."""
    message = _TABLE.decode(data)
    if isinstance(message, (Announcement, Dealing, Complaints)):
        return message
    raise MalformedInput("dkg.message", "the bytes are no message of a key ceremony")
