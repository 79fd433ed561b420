"""``docs/specification/http.md`` names the routes that hosts serve, and no others."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import Mock

from coprocessor.chain.development import development_keys
from coprocessor.host.gatekeeper import GatekeeperHost
from coprocessor.host.gatekeeper_options import GatekeeperOptions
from coprocessor.host.worker_server import WorkerServer

PAGE = Path(__file__).parents[2] / "docs" / "specification" / "http.md"


def described(heading: str) -> set[str]:
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `((?:GET|POST) /[a-z0-9./-]+)`", section, re.MULTILINE))


def test_worker_routes() -> None:
    assert {f"{route.method} {route.path}" for route in WorkerServer(Mock(), Mock()).routes()} == described("Worker")


def test_gatekeeper_routes(tmp_path: Path) -> None:
    options = Mock(spec=GatekeeperOptions, data=tmp_path, poll_seconds=1.0, allow_simulated=True)
    options.operator = development_keys()[0]
    options.parsed.return_value = (Mock(), {})
    options.platform_folder.return_value = tmp_path
    host = GatekeeperHost(options)
    assert {f"{route.method} {route.path}" for route in host._routes()} == described("Gatekeeper")
