"""An author's key: 32 bytes in a file, or the first account of a development chain."""

from __future__ import annotations

from pathlib import Path

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.errors import CallerMisuse, CoprocessorError
from coprocessor.values.network import Network

__all__ = ["default_key", "load_key"]

_MAX_KEY_FILE = 1024
_PRIVATE_BITS = 0o077


def load_key(path: str | Path) -> PrivateKey:
    """The key in a file of 64 hexadecimal digits, with or without ``0x``.

    Raises:
        CallerMisuse: not there, readable by others, or no key (``key.*``).
    """
    file = Path(path)
    try:
        status = file.stat()
        text = file.read_text("ascii") if status.st_size <= _MAX_KEY_FILE else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CallerMisuse("key.not_found", f"there is no key file {file}", str(error)) from error
    if status.st_mode & _PRIVATE_BITS:
        raise CallerMisuse(
            "key.permissions",
            f"{file} can be read by others (mode {status.st_mode & 0o777:04o})",
            next=f"chmod 600 {file}",
        )
    try:
        return PrivateKey(bytes.fromhex(text.strip().removeprefix("0x")))
    except (ValueError, CoprocessorError) as error:
        raise CallerMisuse(
            "key.malformed", f"{file} holds no key", next="a key file holds 64 hexadecimal digits and nothing else"
        ) from error


def default_key(network: Network) -> PrivateKey:
    """Account 0 of the development chain.

    Raises:
        CallerMisuse: the network is not one for development: who acts must be said (``key.required``).
    """
    if not network.configuration.development:
        what = "this network is no development network, so it must be said who acts"
        raise CallerMisuse("key.required", what, next="name your key file (--key FILE)")
    from coprocessor.chain.development import development_keys

    return development_keys()[0]
