"""The gatekeeper host: keeps its enclave at the finalised chain and serves admissions, tickets and releases.

| route | body | answer |
|---|---|---|
| ``GET /v1/evidence`` | | ``Admit`` encoded, this gatekeeper's own: for a genesis, or for the next committee |
| ``POST /v1/genesis`` | ``Genesis`` encoded | JSON: the genesis that this member signs, or signed before |
| ``GET /v1/genesis`` | | the same, once it is signed |
| ``POST /v1/admit`` | ``Admit`` encoded | ``AdmissionSigned`` encoded |
| ``POST /v1/ticket`` | ``GiveTicket`` encoded | ``TicketGiven`` encoded |
| ``POST /v1/release`` | ``Release`` encoded | ``Released`` encoded |
| ``POST /v1/beacon`` | ``SignBeacon`` encoded | ``BeaconSigned`` encoded: this member's part of a height's value |
| ``POST /v1/hold`` | ``Hold`` encoded | JSON: this operator holds a cluster's checkpoint, and its signature |
| ``GET /v1/checkpoint`` | ``digest``, ``piece`` if wanted | bytes: a held manifest, or a sealed piece of it |
| ``POST /v1/handover`` | ``SignHandover`` encoded | ``HandoverSigned`` encoded: it agrees to the announced committee |
| ``GET /v1/pads/key`` | | ``Admit`` encoded: evidence over the key of its enclave's memory |
| ``POST /v1/pads/keep`` | ``KeepPiece`` encoded | ``PieceKept`` encoded |
| ``POST /v1/pads/give`` | ``GivePiece`` encoded | ``PieceGiven`` encoded |
| ``POST /v1/pads/confirm`` | ``ConfirmPad`` encoded | ``Ready`` encoded |
| ``GET /v1/custody`` | | ``WaitingShare`` encoded: what offline custodians need after a restart |
| ``POST /v1/custody`` | ``TakePieces`` encoded | ``Unwrapped`` encoded: the share is open again |
| ``GET /v1/status`` | | how this gatekeeper is doing |

Before it judges, the enclave gets the newest finalised headers, and before a release the proofs of the asking worker's
record and membership (PROTOCOL 1.2, 8.2). The host decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from typing import Any

from aiohttp import web

from coprocessor.chain.committee import read_present
from coprocessor.chain.deployment import NetworkContracts
from coprocessor.chain.node import Block, Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.chain.sender import TransactionSender
from coprocessor.durable.errors import DiskFailed
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.beacon import BeaconCourier
from coprocessor.host.ceremony import CeremonyFile, FirstCommittee, KeptCeremony
from coprocessor.host.checkpoints import answer_with
from coprocessor.host.collateral import complete_attested
from coprocessor.host.enclave_process import EnclaveDied, EnclaveOptions, EnclaveProcess, gatekeeper_enclave
from coprocessor.host.evidence import admission_request, listed_member
from coprocessor.host.feed import ChainFeed
from coprocessor.host.folder import locked_folder
from coprocessor.host.gatekeeper_bodies import answer, read_body
from coprocessor.host.gatekeeper_options import GatekeeperOptions
from coprocessor.host.handover import HandoverCourier
from coprocessor.host.holding import HOLD, Holder, HolderPlace
from coprocessor.host.http import PeerClient, cbor_response, json_response, serve_http, taking
from coprocessor.host.key_ceremony import CeremonyCourier, CeremonySurroundings
from coprocessor.host.pad_courier import PadCourier, PadSurroundings
from coprocessor.host.pad_routes import pad_routes
from coprocessor.host.policy import prove_policy, read_subjects
from coprocessor.host.presence import Presence
from coprocessor.host.progress import Progress
from coprocessor.host.renewal import Renewal
from coprocessor.host.trying import FreshEnclaveNeeded, Trying, until_first_ends
from coprocessor.host.worker import run_until_signal
from coprocessor.keys.release import decode_request
from coprocessor.protocol.genesis import compute_network_id, network_to_json
from coprocessor.protocol.statements import ROLE_GATEKEEPER
from coprocessor.values.errors import CallerMisuse, CoprocessorError, MalformedInput, PeerUnreachable
from coprocessor.values.identities import ZERO_DIGEST, Address, from_hex, to_hex
from coprocessor.values.network import Network

__all__ = ["GatekeeperHost", "run_gatekeeper"]

_log = logging.getLogger("coprocessor.host")

FIRST_HEADERS = 1024
"""Headers that the enclave starts from, so that newcomers' checkpoints are among those it knows."""

CEREMONY_SECONDS = 0.1
"""Between looks at a key ceremony."""

_RESTART_SECONDS = 1.0


class GatekeeperHost:
    """One gatekeeper: its enclaves' host.

    Args:
        options: what it was told.
        enclave: how enclaves are started; None for the real one.
    """

    def __init__(self, options: GatekeeperOptions, enclave: EnclaveOptions | None = None) -> None:
        self._options = options
        self._command = enclave or gatekeeper_enclave(options.platform_folder(), options.allow_simulated)
        self._file = CeremonyFile(options.data / "gatekeeper.json", options.disk)
        self._progress = Progress("gatekeeper", cause="custody")
        self._trying = Trying(self._progress, min(options.poll_seconds, 0.25))
        self._genesis = asyncio.Lock()
        self._network, _ = options.parsed()
        self._own: m.Admit | None = None
        self._subjects: dict[str, str] = {}
        self._booted: m.Booted | None = None
        self._enclave: EnclaveProcess | None = None
        self._feed: ChainFeed | None = None
        self._node: Node | None = None
        self._endpoint = ""
        self._ceremony: CeremonyCourier | None = None
        self._handover: HandoverCourier | None = None
        self._beacon: BeaconCourier | None = None
        self._sender: TransactionSender | None = None
        self._presence: Presence | None = None
        self._renewal: Renewal | None = None
        self._checkpoint: Block | None = None
        self._peers = PeerClient()
        self._pads: PadCourier | None = None
        self._held: tuple[Network, Holder] | None = None

    async def run(self, on_ready: Callable[[str], None] | None = None) -> None:
        """Runs until cancelled. ``on_ready`` is called with the endpoint once HTTP is served.

        Raises:
            CallerMisuse, MalformedInput: the options cannot work, or the kept share belongs to another network.
        """
        self._network = self._known_network()
        with locked_folder(self._options.data):
            async with contextlib.AsyncExitStack() as stack:
                rpc = await stack.enter_async_context(RpcClient(self._options.rpc_url()))
                stack.push_async_callback(self._peers.close)
                self._node = Node(rpc)
                self._sender = TransactionSender(self._node, self._options.operator)
                host, port = self._options.listen
                port = await stack.enter_async_context(serve_http(self._routes(), host, port))
                self._endpoint = self._options.endpoint or f"http://{host}:{port}"
                if on_ready is not None:
                    on_ready(self._endpoint)
                await self._live_again()

    def _known_network(self) -> Network:
        """The network of the options; its gatekeepers from the kept ceremony where the file names none yet."""
        network, _ = self._options.parsed()
        kept = self._file.load()
        if kept is None:
            return network
        genesis = kept.genesis
        if genesis is None:
            return network
        network = network if network.gatekeepers else Network(network.configuration, genesis.evidence_digests)
        if compute_network_id(network) != genesis.network:
            raise CallerMisuse(
                "gatekeeper.foreign_network",
                f"the share in {self._options.data} belongs to network {to_hex(genesis.network)}",
                f"the network file is of {to_hex(compute_network_id(network))}",
                "choose another folder with --data, or the right network file",
            )
        return network

    async def _live_again(self) -> None:
        while True:
            try:
                await self._live()
            except EnclaveDied as error:
                self._progress.wait_for("enclave", error)
            except FreshEnclaveNeeded as reason:
                _log.info("gatekeeper: a fresh enclave is needed (%s)", reason)
            await asyncio.sleep(_RESTART_SECONDS)
            self._network = self._known_network()

    async def _live(self) -> None:
        assert self._node is not None
        enclave = await EnclaveProcess.start(self._command, lambda notice: None)
        try:
            self._feed = ChainFeed(self._node, self._network.configuration, enclave, FIRST_HEADERS)
            self._booted = None
            self._progress.enter("boot")
            await self._trying.until_done("boot", lambda: self._boot(enclave))
            self._enclave = enclave
            self._progress.clear("enclave")
            self._pads = self._make_pad_courier(enclave)
            await until_first_ends(
                self._work(enclave),
                self._trying.for_ever("presence", self._appear),
                self._trying.for_ever("custody", self._pads.step),
                self._trying.for_ever("renewal", self._renew),
                self._watch(enclave),
            )
        finally:
            self._presence = self._renewal = None
            self._enclave = self._own = self._ceremony = self._handover = self._beacon = self._pads = None
            self._checkpoint = None
            await enclave.close()

    async def _work(self, enclave: EnclaveProcess) -> None:
        self._progress.enter("awaiting genesis")
        while (kept := self._file.load()) is None or not kept.is_done:
            if kept is not None and kept.genesis is not None and await self._is_named():
                self._progress.enter("key ceremony")
                if await self._trying.attempt("key ceremony", self._courier(enclave, kept.genesis).step):
                    break
            else:
                await self._trying.attempt("chain", self._follow)
            await asyncio.sleep(min(self._options.poll_seconds, CEREMONY_SECONDS))
        self._own = None
        assert self._feed is not None
        assert self._booted is not None
        signer = Address(self._booted.signer)
        self._handover = HandoverCourier(self._ceremony_surroundings(), enclave, self._feed, signer, self._peers)
        self._beacon = self._beacon_courier(enclave)
        self._progress.enter("running")
        await until_first_ends(
            self._trying.for_ever("handover", self._handover.step),
            self._trying.for_ever("beacon", self._beacon.step),
        )

    async def _is_named(self) -> bool:
        """Whether the chain names the network, so that its genesis is over."""
        named: bytes = await self._contracts()["Gatekeeping"].read("genesis", tag="finalized")
        return named != ZERO_DIGEST

    async def _appear(self) -> bool:
        """This gatekeeper's own entries on the chain; whether it wrote one."""
        if self._booted is None or self._feed is None or self._feed.head is None:
            return False
        if self._presence is None:
            kept = self._file.load()
            if kept is None:
                return False
            evidence = m.GATEKEEPER_REQUESTS.decode(kept.evidence) if kept.evidence else None
            contract, signer = self._contracts()["Gatekeeping"], self._booted.signer
            self._presence = Presence(self._sending(), contract, signer, self._endpoint, evidence)
        return await self._presence.step(self._feed.head.number)

    async def _renew(self) -> bool:
        """This member's turn in the care for its committee; whether it did something."""
        if self._handover is None or self._booted is None or self._node is None:
            return False
        if self._renewal is None:
            contract, configuration = self._contracts()["Gatekeeping"], self._network.configuration
            period, signer = self._options.refresh_seconds, self._booted.signer
            self._renewal = Renewal(
                self._node, self._peers, self._sending(), contract, configuration, signer, period
            )
        return await self._renewal.step()

    def _sending(self) -> TransactionSender:
        assert self._sender is not None
        return self._sender

    def _courier(self, enclave: EnclaveProcess, genesis: FirstCommittee) -> CeremonyCourier:
        if self._ceremony is None or self._ceremony.genesis != genesis:
            assert self._feed is not None
            assert self._booted is not None
            around, signer = self._ceremony_surroundings(), Address(self._booted.signer)
            self._ceremony = CeremonyCourier(around, enclave, self._feed, genesis, signer)
        return self._ceremony

    def _beacon_courier(self, enclave: EnclaveProcess) -> BeaconCourier:
        assert self._feed is not None
        assert self._booted is not None
        around, beacon = self._ceremony_surroundings(), self._contracts()["Beacon"]
        network, signer = compute_network_id(self._network), self._booted.signer
        return BeaconCourier(around, beacon, network, enclave, self._feed, signer, self._peers)

    def _ceremony_surroundings(self) -> CeremonySurroundings:
        assert self._node is not None
        contract = self._contracts()["Gatekeeping"]
        return CeremonySurroundings(self._node, self._sending(), contract, self._network.configuration, self._file)

    def _make_pad_courier(self, enclave: EnclaveProcess) -> PadCourier:
        assert self._feed is not None
        assert self._booted is not None
        assert self._checkpoint is not None
        hints, contract = self._options.gatekeepers(), self._contracts()["Gatekeeping"]
        operator = self._options.operator.address
        around = PadSurroundings(self._peers, self._endpoint, hints, contract, self._file, operator)
        return PadCourier(around, enclave, self._feed, self._booted, self._checkpoint)

    async def _watch(self, enclave: EnclaveProcess) -> None:
        raise await enclave.wait_for_death()

    async def _boot(self, enclave: EnclaveProcess) -> None:
        assert self._feed is not None
        if self._booted is None:
            kept = self._file.load()
            text = network_to_json(self._network)
            message = m.BootGatekeeper(text, self._options.operator.address, kept.sealed if kept else b"")
            self._booted = await enclave.request(message, m.Booted)
        self._checkpoint = self._checkpoint or await self._feed.advance()
        if not self._subjects:
            now = (await self._newest()).timestamp
            self._subjects = await read_subjects(lambda: self._attest(enclave), now)
        if not await self._is_named():
            self._own = await self._attest(enclave)
        elif self._file.load() is None and self._network.gatekeepers:  # who comes later: its keys must last
            sealed = (await enclave.request(m.SealKeys(), m.Sealed)).sealed
            self._file.save(KeptCeremony(None, sealed, is_done=True))

    async def _attest(self, enclave: EnclaveProcess) -> m.Admit:
        """Fresh evidence, and all that it binds."""
        assert self._booted is not None
        assert self._checkpoint is not None
        attested = await complete_attested(await enclave.request(m.Attest(), m.Attested))
        operator = self._options.operator.address
        return admission_request(ROLE_GATEKEEPER, self._booted, operator, attested, self._checkpoint)

    async def _follow(self) -> bool:
        assert self._feed is not None
        await self._feed.advance()
        return False

    # ---- HTTP

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/evidence", taking(self._on_evidence)),
            web.post("/v1/genesis", taking(self._on_genesis)),
            web.get("/v1/genesis", taking(self._on_outcome)),
            web.post("/v1/handover", taking(self._on_handover)),
            web.post("/v1/admit", taking(self._on_admit)),
            web.post("/v1/ticket", taking(self._on_ticket)),
            web.post("/v1/release", taking(self._on_release)),
            web.post("/v1/beacon", taking(self._on_beacon)),
            web.post("/v1/hold", taking(self._on_hold)),
            web.get("/v1/checkpoint", taking(self._on_checkpoint, "digest", "piece")),
            *pad_routes(self._keeping),
            web.get("/v1/status", taking(self._on_status)),
        ]

    async def _on_evidence(self, request: web.Request) -> web.Response:
        enclave, feed = self._living()
        await feed.advance()
        return cbor_response(m.GATEKEEPER_REQUESTS.encode(self._own or await self._attest(enclave)))

    async def _on_handover(self, request: web.Request) -> web.Response:
        await read_body(request, m.SignHandover)
        if self._handover is None:
            raise PeerUnreachable("gatekeeper.starting", "this gatekeeper is starting", next="try again in a moment")
        return answer(await self._handover.agree())

    async def _on_genesis(self, request: web.Request) -> web.Response:
        message = await read_body(request, m.Genesis)
        async with self._genesis:
            kept = self._file.load()
            is_over = kept is not None and await self._is_named()
            known = kept.genesis if kept is not None and is_over else None
            genesis = known or await self._sign_genesis(message)
        return json_response({"ok": True, **genesis.to_plain()})

    async def _on_outcome(self, request: web.Request) -> web.Response:
        kept = self._file.load()
        if kept is None or kept.genesis is None:
            raise PeerUnreachable("genesis.none", "this gatekeeper has had no genesis yet")
        return json_response({"ok": True, **kept.genesis.to_plain()})

    async def _sign_genesis(self, message: m.Genesis) -> FirstCommittee:
        """The enclave's signature over a genesis; durable before anybody sees it (PROTOCOL 9.1)."""
        enclave, feed = self._living()
        await feed.advance()
        signed = await enclave.request(message, m.GenesisSigned)
        now = (await self._newest()).timestamp
        members = tuple(listed_member(member, now) for member in message.members)
        network = Network(self._network.configuration, tuple(member.evidence_digest for member in members))
        genesis = FirstCommittee(compute_network_id(network), message.threshold, members, signed.signature)
        if genesis.network != signed.network:
            raise MalformedInput("genesis.network", "the enclave signed another network than this evidence makes")
        assert self._booted is not None
        own = next(member for member in message.members if member.signer == self._booted.signer)
        try:
            self._file.save(KeptCeremony(genesis, signed.sealed, evidence=m.GATEKEEPER_REQUESTS.encode(own)))
        except DiskFailed:
            enclave.kill()  # nobody has heard of its signature yet; the next one makes another
            raise
        self._network = network
        return genesis

    async def _on_admit(self, request: web.Request) -> web.Response:
        message = await read_body(request, m.Admit)
        enclave, feed = self._living()
        await prove_policy(feed, message)
        return answer(await enclave.request(message, m.AdmissionSigned))

    async def _on_ticket(self, request: web.Request) -> web.Response:
        message = await read_body(request, m.GiveTicket)
        enclave, feed = self._living()
        await feed.advance()
        return answer(await enclave.request(message, m.TicketGiven))

    async def _on_release(self, request: web.Request) -> web.Response:
        message = await read_body(request, m.Release)
        enclave, feed = self._living()
        asked = decode_request(message.request)
        head = await feed.advance()
        record = await self._contracts()["Registry"].read("workers", asked.worker, tag=head.number)
        standing = slots.worker_standing(asked.identity.cluster, asked.worker, record[_SIGNER])
        members = await read_present(self._contracts()["Gatekeeping"], head.number)
        committee = slots.committee([member.signer for member in members])
        policy = slots.policy(*slots.subjects(record), record[_SIGNER])["Registry"]
        wanted = {**standing, **committee, "Registry": [*standing["Registry"], *committee["Registry"], *policy]}
        await feed.prove(wanted, head.number)
        return answer(await enclave.request(message, m.Released))

    async def _on_hold(self, request: web.Request) -> web.Response:
        return json_response(await self._holder().hold(HOLD.decode(await request.read())))

    async def _on_checkpoint(self, request: web.Request) -> web.Response:
        digest = from_hex(request.query.get("digest", ""), 32, "digest")
        found = self._holder().find(digest)
        if found is None:
            raise PeerUnreachable("checkpoint.unknown", f"this gatekeeper holds no checkpoint {to_hex(digest)}")
        return answer_with(found, request)

    def _holder(self) -> Holder:
        """For the network as it is known now: before its genesis it has another id."""
        network = self._network
        if self._held is None or self._held[0] != network:
            options = self._options
            place = HolderPlace(options.data / "held", options.disk, options.operator)
            self._held = network, Holder(network, self._contracts(), self._peers, place)
        return self._held[1]

    async def _on_beacon(self, request: web.Request) -> web.Response:
        message = await read_body(request, m.SignBeacon)
        if self._beacon is None:
            raise PeerUnreachable("gatekeeper.starting", "this gatekeeper is starting", next="try again in a moment")
        return answer(await self._beacon.sign(message.height))

    def _keeping(self) -> PadCourier:
        self._living()
        if self._pads is None:
            raise PeerUnreachable("gatekeeper.starting", "this gatekeeper is starting", next="try again in a moment")
        return self._pads

    async def _on_status(self, request: web.Request) -> web.Response:
        kept = self._file.load()
        return json_response(
            {
                "ok": True,
                "role": "gatekeeper",
                "pid": os.getpid(),
                "enclave_pid": None if self._enclave is None else self._enclave.pid,
                "endpoint": self._endpoint,
                "network": to_hex(compute_network_id(self._network)) if kept is not None else None,
                "committee": 0 if kept is None else kept.committee,
                "operator": to_hex(self._options.operator.address),
                "signer": None if self._booted is None else to_hex(self._booted.signer),
                "simulated": None if self._booted is None else self._booted.simulated,
                "subjects": self._subjects,
                "step": self._progress.step,
                "state": self._progress.state(),
                "waiting": self._progress.waiting(),
                "block": 0 if self._feed is None or self._feed.head is None else self._feed.head.number,
                "has_share": kept is not None and kept.has_share,
                "custody": await self._custody(),
            }
        )

    async def _custody(self) -> dict[str, Any] | None:
        """How the share rests; None while the enclave starts."""
        with contextlib.suppress(CoprocessorError):
            return await self._keeping().standing()
        return None

    def _living(self) -> tuple[EnclaveProcess, ChainFeed]:
        if self._enclave is None or not self._enclave.is_alive or self._feed is None:
            raise PeerUnreachable("gatekeeper.starting", "the enclave is starting", next="try again in a moment")
        return self._enclave, self._feed

    def _contracts(self) -> NetworkContracts:
        assert self._node is not None
        return NetworkContracts.of(self._node, self._network.configuration)

    async def _newest(self) -> Block:
        assert self._node is not None
        block = await self._node.block("finalized")
        if block is None:
            raise PeerUnreachable("chain.no_block", "the node knows no finalised block", next="ask another node")
        return block


_SIGNER = 3


def run_gatekeeper(options: GatekeeperOptions, on_ready: Callable[[str], None] | None = None) -> None:
    """Runs a gatekeeper host until SIGTERM or SIGINT. Raises as ``GatekeeperHost.run``."""
    run_until_signal(lambda: GatekeeperHost(options).run(on_ready))
