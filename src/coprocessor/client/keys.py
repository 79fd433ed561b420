"""Who acts: an author's key file, or the first account of a development chain."""

from __future__ import annotations

from pathlib import Path

from coprocessor.chain.development import development_keys
from coprocessor.chain.keyfile import load_key_file
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.network import Network

__all__ = ["choose_key", "default_key"]


def choose_key(key: PrivateKey | str | Path | None, network: Network) -> PrivateKey | None:
    """A key as it is, a key file's, or the default of a development network; None where nobody is named.

    Raises:
        CallerMisuse: the file is not there, readable by others, or holds no key (``key.*``).
    """
    if isinstance(key, (str, Path)):
        return load_key_file(Path(key))
    if key is None and network.configuration.development:
        return default_key(network)
    return key


def default_key(network: Network) -> PrivateKey:
    """Account 0 of the development chain.

    Raises:
        CallerMisuse: the network is not one for development (``key.required``).
    """
    if not network.configuration.development:
        what = "this network is no development network, so it must be said who acts"
        raise CallerMisuse("key.required", what, next="name your key file (--key FILE)")
    return development_keys()[0]
