"""Shows a program's account: its address, which follows from the program alone and receives before it exists, the
signer of the present epoch, and how many calls it has made. --create makes it. --relay FILE brings a call that the
program has signed: {"number", "to", "value", "data", "deadline", "signature"}, value and deadline as numbers, the rest
as 0x-prefixed text."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from coprocessor.cli.options import add_author, add_network
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.accounts import Account, create_account, look_at_account, relay_call
from coprocessor.client.network import AsyncNetwork
from coprocessor.codec import strict_json
from coprocessor.protocol.accounts import MAX_CALL_DATA, AccountCall
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import Address, from_hex, to_hex

__all__ = ["add_arguments", "run"]

_MAX_FILE = 32_768
_FIELDS = {"number", "to", "value", "data", "deadline", "signature"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("program", metavar="PROGRAM", help="0x-prefixed id")
    parser.add_argument("--create", action="store_true", help="make the account")
    parser.add_argument("--relay", metavar="FILE", type=Path, help="a call that the program has signed")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Shows, makes or relays."""
    signed = None if arguments.relay is None else _read(arguments.relay)

    async def work(net: AsyncNetwork) -> int:
        record = (await net.program(arguments.program)).record
        fields: dict[str, Any] = {}
        if arguments.create:
            with screen.progress("waiting for a block"):
                await create_account(net.session, record, net.author)
        if signed is not None:
            with screen.progress("waiting for a block"):
                fields["transaction"] = await relay_call(net.session, record, *signed, net.author)
            screen.say(f"made the call in transaction {to_hex(fields['transaction'])}")
        account = await look_at_account(net.session, record)
        _show(account, screen)
        screen.warn_simulated(net.simulated)
        screen.finish({"ok": True, "program": record.program, **fields, **_fields(account), "simulated": net.simulated})
        return 0

    return run_on_network(arguments, work)


def _show(account: Account, screen: Screen) -> None:
    screen.say(f"account {to_hex(account.address)}{'' if account.exists else ', which does not exist yet'}")
    signer = to_hex(account.signer) if any(account.signer) else "not recorded"
    screen.say(f"  epoch {account.epoch}, signer {signer}")
    screen.say(f"  {account.executed} calls made, balance {account.balance} wei")


def _fields(account: Account) -> dict[str, Any]:
    return {
        "account": account.address,
        "exists": account.exists,
        "epoch": account.epoch,
        "signer": account.signer if any(account.signer) else None,
        "executed": account.executed,
        "balance": account.balance,
    }


def _read(path: Path) -> tuple[AccountCall, bytes]:
    try:
        if not path.is_file():
            raise OSError("there is no such file")
        with path.open("rb") as file:
            fields = strict_json.loads(file.read(_MAX_FILE + 1), _MAX_FILE)
        if not isinstance(fields, dict) or set(fields) != _FIELDS:
            raise ValueError("the file has other fields")
        numbers = fields["value"], fields["deadline"]
        if any(type(number) is not int or not 0 <= number < 1 << 256 for number in numbers):
            raise ValueError("value and deadline are whole numbers")
        data = from_hex(fields["data"])
        if len(data) > MAX_CALL_DATA:
            raise ValueError(f"data have at most {MAX_CALL_DATA} bytes")
        number, to = from_hex(fields["number"], 32, "number"), Address(from_hex(fields["to"], 20, "to"))
        call = AccountCall(number, to, fields["value"], data, fields["deadline"])
        return call, from_hex(fields["signature"], 65, "signature")
    except (OSError, ValueError, TypeError, AttributeError, MalformedInput) as error:
        raise CallerMisuse("account.call", f"{path} holds no signed call", str(error)[:300]) from error
