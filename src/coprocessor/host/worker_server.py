"""A worker's HTTP: queries, outputs, receipts, signatures for other members, status.

| route | body or query | answer |
|---|---|---|
| ``POST /v1/query`` | CBOR ``[program (32), sealed query]`` | ``QueryReply`` encoded |
| ``GET /v1/output`` | ``link``, ``position``, ``cluster`` if wanted | leaf, its place, output, link hash, receipt |
| ``GET /v1/outputs`` | ``link`` | all leaves and outputs of a link, settled or not |
| ``GET /v1/receipt`` | ``link`` or ``number`` | a settled receipt with its signatures |
| ``POST /v1/receipt`` | ``MakeReceipt`` encoded | ``SignedReceipt`` encoded |
| ``GET /v1/input-key`` | ``program``, ``epoch`` | input key and this member's signature |
| ``POST /v1/keys`` | ``SignKeys`` encoded | ``KeysSigned`` encoded: this member's signature over a list of keys |
| ``GET /v1/boundary`` | ``epoch``, ``count`` | digest of the checkpoint there and this member's signature |
| ``GET /v1/checkpoint`` | ``digest``, ``piece`` if wanted | bytes: the manifest, or a sealed piece of it |
| ``POST /v1/hold`` | ``Hold`` encoded | JSON: this operator holds another cluster's checkpoint, and its signature |
| ``GET /v1/status`` | | how this worker is doing |
| ``GET /network.json`` | | the network's description as this worker was given it; readers MUST pin its id |

Whoever asks checks every answer by itself; nothing here is secret: outputs are sealed or public.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from dataclasses import fields
from typing import Any

from aiohttp import web

from coprocessor.codec import cbor
from coprocessor.enclave import messages as m
from coprocessor.host.checkpoints import answer_with
from coprocessor.host.enclave_process import EnclaveProcess, EnclaveRefused
from coprocessor.host.epoch_watch import Ending
from coprocessor.host.holding import HOLD, Holder
from coprocessor.host.http import cbor_response, json_response, query_integer, taking
from coprocessor.host.store import SettledReceipt, StoredOutput
from coprocessor.host.worker_life import WorkerLife
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol.outputs import Leaf, OutputProof, prove_output
from coprocessor.protocol.queries import MAX_QUERY
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.errors import MalformedInput, PeerUnreachable
from coprocessor.values.identities import Digest, from_hex, to_hex

__all__ = ["WorkerServer"]

MAX_QUERIES = 32
"""Queries that wait for the enclave at once."""

QUERY_MILLISECONDS = 10_000
"""Longest time that a query may run."""

PATIENCE_SECONDS = 10.0
"""How long a query waits for the enclave to reach the client's block."""

_KEPT_TREES = 16
_NOT_YET = frozenset({"query.unknown_block", "query.behind", "query.key_unpublished", "query.no_keys"})


class WorkerServer:
    """Answers for the enclave that lives now; the host sets ``life``."""

    def __init__(self, around: Surroundings, holder: Holder) -> None:
        self._around = around
        self._holder = holder
        self._queries = 0
        self._leaves: OrderedDict[int, list[tuple[int, int, Digest]]] = OrderedDict()
        self.life: WorkerLife | None = None
        self.endpoint = ""

    def routes(self) -> list[web.RouteDef]:
        """For ``serve_http``."""
        return [
            web.post("/v1/query", taking(self._query)),
            web.get("/v1/output", taking(self._output, "link", "position", "cluster")),
            web.get("/v1/outputs", taking(self._outputs, "link", "cluster")),
            web.get("/v1/receipt", taking(self._receipt, "link", "number", "cluster")),
            web.post("/v1/receipt", taking(self._sign_receipt)),
            web.get("/v1/input-key", taking(self._input_key, "program", "epoch")),
            web.post("/v1/keys", taking(self._sign_keys)),
            web.get("/v1/boundary", taking(self._boundary, "epoch", "count")),
            web.get("/v1/checkpoint", taking(self._checkpoint, "digest", "piece")),
            web.post("/v1/hold", taking(self._hold)),
            web.get("/v1/status", taking(self._status)),
            web.get("/network.json", taking(self._network)),
        ]

    # ---- queries

    async def _query(self, request: web.Request) -> web.Response:
        program, sealed = _query_body(await request.read())
        if self._queries >= MAX_QUERIES:
            raise PeerUnreachable("query.busy", f"{MAX_QUERIES} queries wait already", next="try again, or elsewhere")
        self._queries += 1
        try:
            return cbor_response(await self._answer(program, sealed))
        finally:
            self._queries -= 1

    async def _answer(self, program: bytes, sealed: bytes) -> bytes:
        """The enclave's answer; a client that is a block ahead of us is worth a moment's patience."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            life, enclave = self._living()
            try:
                return await enclave.query(program, sealed, QUERY_MILLISECONDS)
            except EnclaveRefused as error:
                left = deadline - time.monotonic()
                if error.code not in _NOT_YET:
                    raise
                if left <= 0:
                    raise PeerUnreachable(error.code, error.what, error.why, error.next) from error
            await life.wait_for_news(min(left, 1.0))

    def _living(self) -> tuple[WorkerLife, EnclaveProcess]:
        life = self.life
        if life is None or life.enclave is None or not life.enclave.is_alive:
            raise PeerUnreachable("worker.starting", "this worker's enclave is starting", next="try again in a moment")
        return life, life.enclave

    # ---- outputs and receipts

    async def _output(self, request: web.Request) -> web.Response:
        self._check_cluster(request)
        link, position = query_integer(request, "link"), query_integer(request, "position", 1 << 20)
        stored = self._around.store.output(link, position)
        if stored is None:
            raise PeerUnreachable(
                "output.unknown",
                f"output {link}.{position} is not here",
                "it is not executed yet, there is no such item, or it was dropped for space",
                "try again in a moment, or ask another worker",
            )
        receipt = self._around.store.receipt_of_link(link)
        if receipt is None:
            raise PeerUnreachable("output.unsettled", f"link {link} is not settled yet", next="try again in a moment")
        place = self._place(receipt, stored.leaf)
        return json_response(
            {
                "ok": True,
                **_output_to_json(stored),
                "place": {
                    "index": place.index,
                    "count": place.count,
                    "siblings": [to_hex(sibling) for sibling in place.siblings],
                },
                "receipt": receipt.number,
            }
        )

    async def _outputs(self, request: web.Request) -> web.Response:
        self._check_cluster(request)
        found = self._around.store.outputs_of_link(query_integer(request, "link"))
        return json_response({"ok": True, "outputs": [_output_to_json(stored) for stored in found]})

    async def _receipt(self, request: web.Request) -> web.Response:
        self._check_cluster(request)
        store = self._around.store
        if "number" in request.query:
            receipt = store.receipt(query_integer(request, "number"))
        else:
            receipt = store.receipt_of_link(query_integer(request, "link"))
        if receipt is None:
            raise PeerUnreachable("receipt.unknown", "no such receipt is settled, as far as this worker knows")
        return json_response({"ok": True, **_receipt_to_json(receipt)})

    async def _sign_receipt(self, request: web.Request) -> web.Response:
        message = m.WORKER_REQUESTS.decode(await request.read())
        if not isinstance(message, m.MakeReceipt):
            raise MalformedInput("receipt.request", "only MakeReceipt is taken here")
        _, enclave = self._living()
        return cbor_response(m.WORKER_REPLIES.encode(await enclave.request(message, m.SignedReceipt)))

    async def _sign_keys(self, request: web.Request) -> web.Response:
        message = m.WORKER_REQUESTS.decode(await request.read())
        if not isinstance(message, m.SignKeys):
            raise MalformedInput("keys.request", "only SignKeys is taken here")
        _, enclave = self._living()
        return cbor_response(m.WORKER_REPLIES.encode(await enclave.request(message, m.KeysSigned)))

    async def _input_key(self, request: web.Request) -> web.Response:
        program = from_hex(request.query.get("program", ""), 32, "program")
        life, _ = self._living()
        found = None if life.courier is None else life.courier.signed_key(program, query_integer(request, "epoch"))
        if found is None:
            raise PeerUnreachable("keys.unknown", f"this worker has signed no input key of {to_hex(program)}")
        return json_response({"ok": True, "key": to_hex(found[0]), "signature": to_hex(found[1])})

    async def _boundary(self, request: web.Request) -> web.Response:
        life, _ = self._living()
        epoch, count = query_integer(request, "epoch"), query_integer(request, "count")
        found = None if life.boundaries is None else life.boundaries.signed(epoch, count)
        if found is None:
            raise PeerUnreachable("boundary.unknown", f"this worker has reached no boundary after {count} links")
        return json_response(
            {"ok": True, "checkpoint": to_hex(found.checkpoint), "signature": to_hex(found.signature)}
        )

    async def _checkpoint(self, request: web.Request) -> web.Response:
        digest = from_hex(request.query.get("digest", ""), 32, "digest")
        boundaries = None if self.life is None else self.life.boundaries
        found = None if boundaries is None else boundaries.checkpoint(digest)
        found = found or self._holder.find(digest)
        if found is None:
            raise PeerUnreachable("checkpoint.unknown", f"this worker has no checkpoint {to_hex(digest)}")
        return answer_with(found, request)

    async def _hold(self, request: web.Request) -> web.Response:
        return json_response(await self._holder.hold(HOLD.decode(await request.read())))

    def _place(self, receipt: SettledReceipt, leaf: Leaf) -> OutputProof:
        leaves = self._leaves.get(receipt.number)
        if leaves is None:
            store = self._around.store
            if not store.has_links(receipt.first, receipt.to):
                raise PeerUnreachable(
                    "output.incomplete",
                    f"not all links of receipt {receipt.number} are here yet",
                    "the enclave is still replaying, or old links were dropped for space",
                    "try again in a moment, or ask another worker",
                )
            leaves = self._leaves[receipt.number] = store.leaves(receipt.first, receipt.to)
            while len(self._leaves) > _KEPT_TREES:
                self._leaves.popitem(last=False)
        index = [(link, position) for link, position, _ in leaves].index((leaf.link, leaf.position))
        return prove_output([digest for _, _, digest in leaves], index)

    def _check_cluster(self, request: web.Request) -> None:
        asked = request.query.get("cluster")
        if asked is not None and from_hex(asked, 32, "cluster") != self._around.cluster:
            raise MalformedInput("output.cluster", f"this worker serves cluster {to_hex(self._around.cluster)}")

    # ---- status

    async def _network(self, request: web.Request) -> web.Response:
        return web.Response(text=self._around.options.network, content_type="application/json")

    async def _status(self, request: web.Request) -> web.Response:
        around, life = self._around, self.life
        enclave = None if life is None else life.enclave
        status = await _enclave_status(enclave)
        booted = None if life is None or life.enrolment is None else life.enrolment.known()
        return json_response(
            {
                "ok": True,
                "role": "worker",
                "pid": os.getpid(),
                "enclave_pid": None if enclave is None else enclave.pid,
                "endpoint": self.endpoint,
                "network": to_hex(around.network_id),
                "cluster": to_hex(around.cluster),
                "operator": to_hex(around.operator),
                "worker": None if booted is None else to_hex(booted[0]),
                "simulated": None if booted is None else booted[1],
                "step": around.progress.step,
                "state": around.progress.state(),
                "waiting": around.progress.waiting(),
                "links": 0 if life is None or life.links is None else life.links.count,
                "settled": 0 if life is None else life.settled.links,
                "receipts": 0 if life is None else life.settled.receipts,
                "block": 0 if status is None else status.block_number,
                "proven": 0 if status is None else status.proven,
                "executed": 0 if status is None else status.executed,
                "epoch": 0 if status is None else status.epoch,
                "has_keys": status is not None and status.has_keys,
                "state_root": None if status is None else to_hex(status.state_root),
                "ending": _ending_to_json(None if life is None or life.watch is None else life.watch.ending),
            }
        )


def _ending_to_json(ending: Ending | None) -> dict[str, Any] | None:
    """Older epochs that are open, and what is missing until they can be closed."""
    if ending is None:
        return None
    missing = None if ending.missing is None else ending.missing.to_dict()
    whole = {"first_open": ending.first_open, "epoch": ending.epoch, "due": ending.due, "overdue": ending.is_overdue}
    return {**whole, "missing": missing}


async def _enclave_status(enclave: EnclaveProcess | None) -> m.Status | None:
    """What the enclave says of itself, or None while it says nothing."""
    if enclave is None or not enclave.is_alive:
        return None
    try:
        return await asyncio.wait_for(enclave.request(m.GetStatus(), m.Status), 2.0)
    except Exception:
        return None


def _query_body(body: bytes) -> tuple[bytes, bytes]:
    fields = cbor.loads(body, MAX_QUERY + 64)
    match fields:
        case [bytes(program), bytes(sealed)] if len(program) == 32 and len(sealed) <= MAX_QUERY:
            return program, sealed
    raise MalformedInput("query.body", f"a query is CBOR [program (32 bytes), sealed (at most {MAX_QUERY} bytes)]")


def _output_to_json(stored: StoredOutput) -> dict[str, Any]:
    leaf = stored.leaf
    return {
        "leaf": {
            "link": leaf.link,
            "position": leaf.position,
            "program": to_hex(leaf.program),
            "request": to_hex(leaf.request),
            "status": leaf.status,
            "fuel": leaf.fuel,
            "plaintext_hash": to_hex(leaf.plaintext_hash),
            "ciphertext_hash": to_hex(leaf.ciphertext_hash),
        },
        "output": to_hex(stored.output),
        "public": stored.is_public,
        "void_rule": stored.void_rule,
        "link_hash": to_hex(stored.link_hash),
    }


def _receipt_to_json(settled: SettledReceipt) -> dict[str, Any]:
    receipt = None
    if settled.receipt is not None:
        values = {field.name: getattr(settled.receipt, field.name) for field in fields(Receipt)}
        receipt = {name: to_hex(value) if isinstance(value, bytes) else value for name, value in values.items()}
    return {
        "number": settled.number,
        "first": settled.first,
        "to": settled.to,
        "block": settled.block,
        "final_block": settled.final_block,
        "receipt": receipt,
        "signatures": [to_hex(signature) for signature in settled.signatures],
    }
