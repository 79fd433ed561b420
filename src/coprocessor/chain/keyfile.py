"""Keys of people and operators in files: 32 bytes in hexadecimal, readable by their owner alone."""

from __future__ import annotations

import secrets
from pathlib import Path

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.values.errors import CallerMisuse, CoprocessorError

__all__ = ["load_key_file", "write_key_file"]

MAX_KEY_FILE = 1024
"""Bytes of a key file that are read."""

_OTHERS = 0o077


def load_key_file(path: Path) -> PrivateKey:
    """The key in a file of 64 hexadecimal digits, with or without ``0x``.

    Raises:
        CallerMisuse: ``key.not_found``, ``key.permissions`` (others may read it), ``key.malformed``.
    """
    try:
        status = path.stat()
        with path.open("r", encoding="ascii") as file:  # the length of what is no plain file is known by reading alone
            text = file.read(MAX_KEY_FILE + 1)
        text = text if len(text) <= MAX_KEY_FILE else ""
    except (OSError, ValueError) as error:
        # The cause may quote the file's content: only its kind is told.
        raise CallerMisuse("key.not_found", f"there is no key file {path}", type(error).__name__) from None
    if status.st_mode & _OTHERS:
        mode = status.st_mode & 0o777
        raise CallerMisuse(
            "key.permissions", f"{path} can be read by others (mode {mode:04o})", next=f"chmod 600 {path}"
        )
    try:
        return PrivateKey(bytes.fromhex(text.strip().removeprefix("0x")))
    except (ValueError, CoprocessorError):
        raise CallerMisuse(
            "key.malformed", f"{path} holds no key", next="a key file holds 64 hexadecimal digits and nothing else"
        ) from None


def write_key_file(path: Path, disk: Disk = PLAIN_DISK) -> PrivateKey:
    """Makes a random key in a new file of mode 0600; the key of the file that is there already otherwise.

    Raises:
        CallerMisuse: as ``load_key_file``.
        DiskFailed: the file cannot be written.
    """
    if not path.exists():
        disk.create(PersistPoint.KEY_FILE, path, f"0x{secrets.token_hex(32)}\n".encode("ascii"))
    return load_key_file(path)
