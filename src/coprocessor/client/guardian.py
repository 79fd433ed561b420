"""The guardian's key, with which breaks are contained (PROTOCOL 1.4)."""

from __future__ import annotations

from coprocessor.chain.development import development_keys
from coprocessor.client.session import Session
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address, to_hex

__all__ = ["guardian_key"]


async def guardian_key(session: Session, given: PrivateKey | None) -> PrivateKey:
    """The guardian's key: ``given``, or on development networks one of the chain's public ones.

    Raises:
        CallerMisuse: ``drill.guardian``: it is another account's, or none was given.
    """
    guardian = Address(await session.contracts["Registry"].read("GUARDIAN"))
    known = [given] if given is not None else []
    if given is None and session.target.network.configuration.development:
        known = list(development_keys())
    found = next((key for key in known if key.address == guardian), None)
    if found is None:
        raise CallerMisuse(
            "drill.guardian",
            f"only the network's guardian {to_hex(guardian)} can contain a break",
            "no key of it was given" if given is None else f"the key given is that of {to_hex(given.address)}",
            "give its key with --key FILE",
        )
    return found
