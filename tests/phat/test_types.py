"""Addresses and digests."""

from __future__ import annotations

import pytest

from phat import Address, Digest

TEXT = "0x" + "aB" * 20


def test_made_from_text_or_bytes() -> None:
    assert Address(TEXT) == Address(TEXT.lower()) == Address("AB" * 20) == Address(b"\xab" * 20)
    assert str(Address(TEXT)) == f"{Address(TEXT)}" == TEXT.lower()
    assert f"{Address(TEXT):>50}" == TEXT.lower().rjust(50)
    assert repr(Digest()) == f"Digest('0x{'00' * 32}')"
    assert Address() == Address(bytes(20))
    assert {Address(TEXT): 1}[Address(TEXT.lower())] == 1


@pytest.mark.parametrize("value", ["", "0x", "0x12", "0x" + "zz" * 20, "0x" + "a b" * 13 + "a", bytes(19), bytes(21)])
def test_wrong_lengths_and_digits(value: str | bytes) -> None:
    with pytest.raises(ValueError, match="Address has"):
        Address(value)


def test_other_types() -> None:
    with pytest.raises(TypeError, match="not from int"):
        Address(5)  # type: ignore[arg-type]
