"""Published code as everybody may read it: a public package, or the clear part of private code."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.protocol.interface import Interface, parse_interface
from coprocessor.protocol.private_code import PrivateCode, decode_private_code, is_private_code
from coprocessor.sandbox.package import CodePackage, decode_package

__all__ = ["PublishedCode", "read_published"]


@dataclass(frozen=True, slots=True)
class PublishedCode:
    """What published bytes say.

    Args:
        interface: what callers need.
        private: the record of private code, or None.
        package: public code, or None.
        size: bytes as published.
    """

    interface: Interface
    private: PrivateCode | None
    package: CodePackage | None
    size: int


def read_published(published: bytes) -> PublishedCode:
    """Reads published code.

    Raises:
        MalformedInput: it is none.
    """
    if is_private_code(published):
        record = decode_private_code(published)
        return PublishedCode(parse_interface(record.interface), record, None, len(published))
    package = decode_package(published)
    return PublishedCode(parse_interface(package.interface), None, package, len(published))
