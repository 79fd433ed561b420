"""``vectors/accounts.json``: addresses of programs' accounts, and what programs sign for them (PROTOCOL 8.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.protocol.accounts import AccountCall, compute_account_address
from coprocessor.values.identities import Address, ProgramId
from tests.vectors import world
from tests.vectors.form import Case, Subject, raw

ACCOUNTS = Address(bytes.fromhex("00000000000000000000000000000000000000ac"))


def _address(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"account": compute_account_address(Address(raw(given["accounts"])), ProgramId(raw(given["program"])))}


def _call(given: Mapping[str, Any]) -> dict[str, Any]:
    number, to, data = raw(given["number"]), Address(raw(given["to"])), raw(given["data"])
    call = AccountCall(number, to, given["value"], data, given["deadline"])
    return {"digest": call.digest(given["chain_id"], Address(raw(given["account"])))}


def subject() -> Subject:
    """The file."""
    where = {"accounts": ACCOUNTS, "program": world.PROGRAM}
    call = {"chain_id": 31_337, "account": compute_account_address(ACCOUNTS, ProgramId(world.PROGRAM))}
    call |= {"number": (1).to_bytes(32, "big"), "to": world.secret("somebody").address, "value": 10**18}
    call |= {"data": b"\xa9\x05\x9c\xbb", "deadline": 1_800_000_000}
    cases = (
        Case("an address", "8.7", "address", where),
        Case("a program's id of 31 bytes", "8.7", "address", where | {"program": bytes(31)}, "value.digest"),
        Case("the address of another program", "8.7", "address", where | {"program": world.CLUSTER}),
        Case("what a program signs", "8.7", "call", call),
        Case("a call without data", "8.7", "call", call | {"data": b"", "number": (2).to_bytes(32, "big")}),
        Case("a number that does not fit", "8.7", "call", call | {"value": 2**256}, "abi.value"),
        Case("for another account", "8.7", "call", call | {"account": ACCOUNTS}),
    )
    return Subject("accounts", "docs/specification/accounts.md", {"address": _address, "call": _call}, cases)
