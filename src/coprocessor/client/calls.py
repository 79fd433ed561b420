"""Commands on their way: submitted, finalised, executed, settled, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.chain.node import TransactionReceipt
from coprocessor.client.chain_state import wait_for
from coprocessor.client.sealing import SealedItem
from coprocessor.client.session import Session, SettledReceipt
from coprocessor.client.settled import SettledOutput, fetch_settled_output, find_settled_receipt
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.commands import derive_reply_secret
from coprocessor.protocol.items import encode_items
from coprocessor.protocol.output_body import Event, LogLine, OutputBody, decode_output_body
from coprocessor.protocol.outputs import OutputKeys, Status, derive_output_keys, open_output
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused, GuestFailed, PeerUnreachable
from coprocessor.values.identities import ZERO_DIGEST, ClusterId, Digest, StateRoot, to_hex

__all__ = [
    "RESULT_SECONDS",
    "CallCost",
    "CallHandle",
    "CallOutcome",
    "Place",
    "estimate",
    "failure_of",
    "output_keys",
    "submit",
    "submit_together",
]

RESULT_SECONDS = 180.0
"""How long ``result`` waits unless told otherwise."""

MAX_SINGLE_ITEM = 4096
"""Bytes of a framed item that goes by ``submit``."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands: its cluster's inbox (32 bytes), link and position inside it."""

    cluster: ClusterId
    link: int
    position: int

    @property
    def index(self) -> str:
        """``LINK.POSITION``."""
        return f"{self.link}.{self.position}"


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What became of a command, proven and opened.

    Args:
        place: of the item.
        status: a ``protocol.outputs.Status``.
        value: the result as the interface reads it; None unless ``status`` is ok.
        message: why it failed, or empty.
        fuel: consumed.
        events: that the program emitted.
        logs: that it wrote.
        block_number: the finalised block under which the receipt was proven.
        state_root: of the cluster after the receipt.
        settled: the output as it was served and checked.
        keys: open this output and no other.
    """

    place: Place
    status: Status
    value: Any
    message: str
    fuel: int
    events: tuple[Event, ...]
    logs: tuple[LogLine, ...]
    block_number: int
    state_root: StateRoot
    settled: SettledOutput
    keys: OutputKeys | None


@dataclass(frozen=True, slots=True)
class CallCost:
    """What submitting a command would cost: gas, and wei for that gas at the present base fee."""

    gas: int
    gas_fee: int


class CallHandle:
    """A submitted command. ``result`` waits for its settled output; ``outcome`` tells all about it."""

    def __init__(self, session: Session, item: SealedItem, sent: TransactionReceipt, position: int) -> None:
        self._session = session
        self._item = item
        self._transaction = sent.hash
        self._sent = sent
        self._place = _place(session, item, sent, position)
        self._outcome: CallOutcome | None = None

    @property
    def place(self) -> Place:
        """Where the item stands; on a chain with reorganisations it may move until its block is final."""
        return self._place

    @property
    def transaction(self) -> Digest:
        """Hash of the transaction that carried it."""
        return self._transaction

    @property
    def gas_used(self) -> int:
        """Gas of that transaction; items of a batch share it."""
        return self._sent.gas_used

    async def result(self, timeout: float = RESULT_SECONDS) -> Any:
        """The command's result, once a final receipt proves it.

        Raises:
            GuestFailed: the program refused (``guest.reverted``) or met a limit (``guest.exhausted``).
            EvidenceRefused: the item was void (``call.void``), or what workers and nodes show does not hold.
            PeerUnreachable: no settled output within ``timeout`` seconds (``call.timeout``).
        """
        outcome = await self.outcome(timeout)
        if outcome.status is not Status.OK:
            raise failure_of(outcome)
        return outcome.value

    async def outcome(self, timeout: float = RESULT_SECONDS) -> CallOutcome:
        """As ``result``, but a failed command is an outcome too."""
        if self._outcome is None:
            receipt = await self.settled(timeout)
            output = await fetch_settled_output(
                self._session, self._place.cluster, receipt, self._place.link, self._place.position
            )
            self._outcome = self._open(output)
        return self._outcome

    async def settled(self, timeout: float = RESULT_SECONDS) -> SettledReceipt:
        """The final receipt that covers the command. Raises PeerUnreachable (``call.timeout``)."""

        async def look() -> SettledReceipt | None:
            await self._relocate()
            return await find_settled_receipt(self._session, self._place.cluster, self._place.link)

        return await wait_for(
            look,
            timeout,
            "call.timeout",
            f"command {self._place.index} of {to_hex(self._item.record.program)} is not settled",
            "it is in the inbox and will be executed: ask again later; see with `phat status` whether a worker lives",
        )

    async def _relocate(self) -> None:
        """Follows the transaction through reorganisations until its block is final."""
        head = await self._session.chain.refresh()
        if self._sent.block_number > head.header.number:
            return
        found = await self._session.node.receipt(self._transaction)
        if found is None or not found.succeeded:
            raise PeerUnreachable(
                "call.dropped",
                f"transaction {to_hex(self._transaction)} is no longer in any block",
                "a reorganisation of the chain dropped it",
                "call again",
            )
        if found.block_hash != self._sent.block_hash:
            self._place = _place(self._session, self._item, found, self._place.position)
            self._sent = found

    def _open(self, output: SettledOutput) -> CallOutcome:
        leaf, served, receipt = output.served.leaf, output.served, output.receipt
        if leaf.program not in (self._item.record.program, ZERO_DIGEST):
            raise EvidenceRefused("output.program", f"the output is of program {to_hex(leaf.program)}")
        keys = None
        if leaf.ciphertext_hash == ZERO_DIGEST:
            body = OutputBody(leaf.status, "", b"", served.output.decode("utf-8", "replace"), (), ())
        else:
            keys = output_keys(self._session, self._item, output)
            body = decode_output_body(open_output(served.output, keys, leaf, self._session.network_id))
        if body.status != leaf.status or leaf.status not in set(Status):
            raise EvidenceRefused("output.status", "the sealed output names another outcome than its leaf")
        status = Status(leaf.status)
        return CallOutcome(
            place=self._place,
            status=status,
            value=self._item.method.decode_result(body.result) if status is Status.OK else None,
            message=body.message or (f"limit: {body.limit}" if body.limit else ""),
            fuel=leaf.fuel,
            events=body.events,
            logs=body.logs,
            block_number=receipt.block_number,
            state_root=receipt.new_root,
            settled=output,
            keys=keys,
        )


def output_keys(session: Session, item: SealedItem, output: SettledOutput) -> OutputKeys:
    """What opens an item's output: derived from its author's key and its nonce (PROTOCOL 6.1)."""
    secret = derive_reply_secret(item.author, session.network_id, item.record.program, item.nonce)
    return derive_output_keys(secret, session.network_id, output.served.link_hash, output.served.leaf.position)


async def estimate(session: Session, item: SealedItem) -> CallCost:
    """What ``submit`` would cost; nothing is sent. Raises as ``submit``."""
    data, value = await _submission(session, item)
    inbox = session.contracts["Inbox"].address
    gas = await session.node.estimate_gas(inbox, data, item.author.address, value)
    block = await session.node.block("latest")
    return CallCost(gas, gas * (0 if block is None else block.base_fee))


async def submit(session: Session, item: SealedItem) -> CallHandle:
    """Puts one item into the inbox by its author's own transaction.

    Raises:
        CallerMisuse: too long for a single submission (``call.too_long``).
        What ``TransactionSender.send`` raises.
    """
    data, value = await _submission(session, item)
    receipt = await session.sender(item.author).send(session.contracts["Inbox"].address, data, value)
    return _handed_in(session, [item], receipt)[0]


async def submit_together(
    session: Session, items: Sequence[SealedItem], relayer: PrivateKey
) -> list[CallHandle]:
    """Puts items of one cluster into the inbox as one link, by the relayer's transaction (PROTOCOL 3.4)."""
    inbox = session.contracts["Inbox"]
    fuel = sum(item.clear.fuel_limit for item in items)
    fee = sum(item.clear.fee_limit for item in items)
    payload = encode_items([item.clear for item in items])
    data = inbox.encode("submit_batch", items[0].record.cluster, len(items), fuel, fee, payload)
    value = await _missing_fees(session, relayer, fee)
    receipt = await session.sender(relayer).send(inbox.address, data, value)
    return _handed_in(session, items, receipt)


async def _submission(session: Session, item: SealedItem) -> tuple[bytes, int]:
    """Call data and value of a single item's transaction."""
    payload = encode_items([item.clear])
    if len(payload) > MAX_SINGLE_ITEM:
        raise CallerMisuse(
            "call.too_long",
            f"the sealed command has {len(payload)} bytes, a single submission takes {MAX_SINGLE_ITEM}",
            next="send it in a batch, or split the arguments",
        )
    clear = item.clear
    call = session.contracts["Inbox"].encode(
        "submit", item.record.cluster, clear.fuel_limit, clear.fee_limit, payload
    )
    return call, await _missing_fees(session, item.author, clear.fee_limit)


async def _missing_fees(session: Session, payer: PrivateKey, fee: int) -> int:
    """Wei that the payer's balance in ``Fees`` lacks for a fee limit; they are sent along with the items."""
    if not fee:
        return 0
    return max(0, fee - int(await session.contracts["Fees"].read("balances", payer.address)))


def _handed_in(session: Session, items: Sequence[SealedItem], receipt: TransactionReceipt) -> list[CallHandle]:
    handles = [CallHandle(session, item, receipt, position) for position, item in enumerate(items)]
    for handle, item in zip(handles, items, strict=True):
        place = handle.place
        session.journal(item.author).remember(place.cluster, place.link, place.position, item.nonce)
    return handles


def _place(session: Session, item: SealedItem, sent: TransactionReceipt, position: int) -> Place:
    events = session.contracts["Inbox"].events(sent.logs, "Link")
    links = [int(event["index"]) for event in events if event["cluster"] == item.record.cluster]
    if len(links) != 1:
        raise EvidenceRefused("call.no_link", f"transaction {to_hex(sent.hash)} made {len(links)} links instead of one")
    return Place(item.record.cluster, links[0], position)


def failure_of(outcome: CallOutcome) -> CoprocessorError:
    """The error that a command that did not end well stands for."""
    where = f"command {outcome.place.index}"
    match outcome.status:
        case Status.REVERTED:
            reason = outcome.message or "the program gave no reason"
            return GuestFailed("guest.reverted", reason, f"{where} was refused by the program")
        case Status.EXHAUSTED:
            return GuestFailed(
                "guest.exhausted", f"{where} met a limit: {outcome.message}", next="allow more fuel, or ask for less"
            )
        case Status.VOID:
            return EvidenceRefused("call.void", f"{where} was void: {outcome.message}", next="seal and send it again")
    return EvidenceRefused("call.skipped", f"{where} was skipped", "it was declared poisonous by a quorum")

