"""A program's account on the chain: looking at it, making it, relaying calls that the program signed (PROTOCOL 8.7)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.chain.contract import Contract
from coprocessor.client.programs import ProgramRecord
from coprocessor.client.session import Session
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.protocol.accounts import AccountCall, compute_account_address
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import ZERO_ADDRESS, Address, Digest, to_hex

__all__ = ["Account", "create_account", "look_at_account", "relay_call"]


@dataclass(frozen=True, slots=True)
class Account:
    """A program's account.

    Args:
        address: 20 bytes; it follows from the program alone, and receives before it exists.
        exists: it was made, proven by storage.
        epoch: the present one of the program's cluster.
        signer: 20 bytes, who signs in that epoch, proven by storage; zero while members have not recorded it.
        executed: calls made, as the node says.
        balance: wei, as the node says.
    """

    address: Address
    exists: bool
    epoch: int
    signer: Address
    executed: int
    balance: int


async def look_at_account(session: Session, record: ProgramRecord) -> Account:
    """The account of a program as it stands at the newest finalised block."""
    address = compute_account_address(session.contracts["Accounts"].address, record.program)
    account_slot, epoch_slot = layout.program_account(record.program), layout.cluster_field(record.cluster, "epoch")
    proven = await session.chain.prove({"Accounts": [account_slot], "Clusters": [epoch_slot]})
    epoch, exists = proven.value("Clusters", epoch_slot), proven.value("Accounts", account_slot) != 0
    signer_slot = layout.account_signer(record.program, epoch)
    recorded = await session.chain.prove({"Programs": [signer_slot]}, proven.head)
    number = proven.head.header.number
    executed = int(await _contract(session, address).read("executed", tag=number)) if exists else 0
    balance = await session.node.balance(address)
    return Account(
        address, exists, epoch, Address(recorded.digest("Programs", signer_slot)[12:]), executed, balance
    )


async def create_account(session: Session, record: ProgramRecord, author: PrivateKey) -> Address:
    """Makes the program's account; its cluster's workers record a signer then. Anybody may, and pays.

    Raises:
        CallerMisuse: it exists (``account.exists``).
    """
    accounts = session.contracts["Accounts"]
    address = compute_account_address(accounts.address, record.program)
    if await accounts.read("accounts", record.program) != ZERO_ADDRESS:
        raise CallerMisuse("account.exists", f"the account of {to_hex(record.program)} exists: {to_hex(address)}")
    await session.sender(author).send(accounts.address, accounts.encode("create", record.program))
    return address


async def relay_call(
    session: Session, record: ProgramRecord, call: AccountCall, signature: bytes, author: PrivateKey
) -> Digest:
    """Brings a call that the program has signed to its account; hash of the transaction. Anybody may, and pays the gas.

    Raises:
        TransactionReverted: the signature is not the present epoch's signer's, the number was used, it is too late, or
            the called contract refused.
    """
    address = compute_account_address(session.contracts["Accounts"].address, record.program)
    account = _contract(session, address)
    data = account.encode("execute", call.number, call.to, call.value, call.data, call.deadline, signature)
    return (await session.sender(author).send(address, data)).hash


def _contract(session: Session, address: Address) -> Contract:
    """An account runs the code of ``Accounts``."""
    return Contract(session.node, address, session.contracts["Accounts"].interface)
