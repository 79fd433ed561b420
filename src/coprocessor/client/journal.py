"""Which nonce an author's commands carried, so that their outputs can be opened in another session.

The reply secret of a command is derived from the author's key and its nonce (PROTOCOL 6.1). The nonce is no secret and
opens nothing without the key; what is lost with this file is only convenience.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from coprocessor.client.target import Target
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.errors import DiskFailed
from coprocessor.durable.points import PersistPoint
from coprocessor.values.identities import Address, ClusterId, to_hex

__all__ = ["Journal", "author_folder"]


def author_folder(target: Target) -> Path:
    """Where authors keep notes on a network: beside its file where that can be written to, else among the user's state
    files."""
    folder = target.folder
    if folder is not None and os.access(folder, os.W_OK):
        return folder
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "coprocessor" / target.id.hex()


@dataclass(frozen=True, slots=True)
class Journal:
    """An append-only file of one author on one network."""

    path: Path
    disk: Disk = PLAIN_DISK

    @staticmethod
    def of(target: Target, author: Address) -> Journal:
        """The author's, in ``author_folder``."""
        return Journal(author_folder(target) / "authors" / f"{to_hex(author)}.jsonl")

    def remember(self, cluster: ClusterId, link: int, position: int, nonce: int) -> None:
        """Notes the nonce of the item at (link, position). A journal that cannot be written is no failure of a call."""
        line = json.dumps({"cluster": to_hex(cluster), "link": link, "position": position, "nonce": f"{nonce:016x}"})
        try:
            self.disk.append(PersistPoint.CLIENT_JOURNAL, self.path, line)
        except DiskFailed:
            return

    def find(self, cluster: ClusterId, link: int, position: int) -> int | None:
        """The nonce of the item, or None; the last note counts. Lines that are none of ours are skipped."""
        wanted = (to_hex(cluster), link, position)
        found = None
        try:
            with self.path.open("r", encoding="ascii", errors="replace") as file:
                for line in file:
                    place, nonce = _parse(line)
                    found = nonce if place == wanted else found
        except OSError:
            return None
        return found


def _parse(line: str) -> tuple[object, int | None]:
    try:
        note = json.loads(line)
        return (note["cluster"], note["link"], note["position"]), int(note["nonce"], 16)
    except (ValueError, KeyError, TypeError):
        return None, None
