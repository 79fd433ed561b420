"""Repeats everything that a network has ever shown: its genesis, every admission with its evidence, every key ceremony,
member, epoch, input key and settlement, from the chain alone. No gatekeeper and no worker is asked; a node that lies is
caught. Trust comes from one digest: --pin names it, or --network names a network.json that you trust (default:
$PHAT_NETWORK, then ./.phat). A description from a URL is trusted for nothing, so pin its digest. Exit status 1 at the
first thing that does not hold."""

from __future__ import annotations

import argparse
import asyncio
import time

from coprocessor.audit.records import FALSE, Line, Report
from coprocessor.cli.options import add_network, network_of
from coprocessor.cli.screen import Screen
from coprocessor.cli.ticker import Ticker
from coprocessor.client.audit import audit_network
from coprocessor.client.target import load_target
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run", "show_report"]

_ASK_ANOTHER = "ask another node; if it shows the same, show others this report"
_SUBJECT, _COUNT, _VERDICT = 14, 7, 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("action", choices=("verify",), help="what to do")
    parser.add_argument("--pin", metavar="DIGEST", help="the genesis digest that you trust, 0x and 64 digits")
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Audits; 0 where all holds."""
    named = network_of(arguments)
    target = load_target(named, arguments.pin)
    anchored = arguments.pin is not None or target.folder is not None
    began = time.monotonic()
    audited = asyncio.run(audit_network(target, arguments.rpc, anchored=anchored, progress=Ticker(screen, "verifying")))
    report = audited.report
    show_report(report, time.monotonic() - began, screen)
    screen.finish(_fields(report))
    return 0 if report.ok else 1


def show_report(report: Report, seconds: float, screen: Screen) -> None:
    """The table, the summary, and what it rests on."""
    screen.say(f"network {to_hex(report.network)}, up to block {report.block}\n")
    screen.say(f"{'what':{_SUBJECT}} {'number':>{_COUNT}}  {'verdict':{_VERDICT}}  checked")
    for line in report.lines:
        screen.say(_row(line))
    screen.say("")
    for warning in report.warnings:
        screen.say(f"note: {warning}")
    error = report.error
    if error is not None:
        screen.say(f"NOT VERIFIED: {error.code}: {error.what}")
        for label, text in (("why", error.why), ("next", error.next or _ASK_ANOTHER)):
            if text:
                screen.say(f"  {label}: {text}")
    elif not report.anchored:
        screen.say("NOT VERIFIED: everything holds, but for whichever network this is: nothing was pinned")
        screen.say("  next: compare the digest above with one that you trust, then give it with --pin")
    else:
        screen.say(f"VERIFIED in {seconds:.1f} s, all from the chain; no gatekeeper and no worker was asked")
    screen.say("this rests on the pinned digest, on the sealers that it names, and on the vendors' roots")
    screen.warn_simulated(report.simulated)


def _row(line: Line) -> str:
    simulated = f"; {line.simulated} SIMULATED" if line.simulated else ""
    rests_on = f"; {line.rests_on}" if line.rests_on else ""
    head = f"{line.subject:{_SUBJECT}} {line.count:>{_COUNT}}  {line.verdict:{_VERDICT}}"
    return f"{head}  {line.checked}{simulated}{rests_on}"


def _fields(report: Report) -> dict[str, object]:
    error = report.error
    return {
        "ok": report.ok,
        "network": report.network,
        "anchored": report.anchored,
        "block": report.block,
        "simulated": report.simulated,
        "failed": next((line.subject for line in report.lines if line.verdict == FALSE), None),
        "lines": [
            {
                "subject": line.subject,
                "count": line.count,
                "checked": line.checked,
                "verdict": line.verdict,
                "simulated": line.simulated,
                "rests_on": line.rests_on,
            }
            for line in report.lines
        ],
        "warnings": list(report.warnings),
        "code": None if error is None else error.code,
        "what": None if error is None else error.what,
        "why": None if error is None else error.why,
        "next": None if error is None else error.next or _ASK_ANOTHER,
    }
