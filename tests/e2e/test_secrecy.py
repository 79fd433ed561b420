"""What must stay secret lies nowhere that a host, a node or a reader of the chain could look."""

from __future__ import annotations

from pathlib import Path

from coprocessor import connect
from tests.support.live import LiveNetwork
from tests.support.node import RpcClient

CANARY = "canary-4f1c9b7e-of-the-input"


def forms(secret: bytes) -> list[bytes]:
    """The ways in which bytes could lie somewhere."""
    return [secret, secret.hex().encode(), secret.hex().upper().encode()]


def everything(network: LiveNetwork) -> dict[str, bytes]:
    """All that the network's processes keep, log and publish, by name."""
    found = {str(path): path.read_bytes() for path in network.folder.rglob("*") if path.is_file()}
    log = network.folder.with_name(network.folder.name + ".log")
    found[str(log)] = log.read_bytes()
    rpc = RpcClient(network.hints["rpc"])
    for number in range(int(rpc.call("eth_blockNumber"), 16) + 1):
        block = rpc.call("eth_getBlockByNumber", hex(number), True)
        for transaction in block["transactions"]:
            found[f"transaction {transaction['hash']}"] = bytes.fromhex(transaction["input"][2:])
    logs = rpc.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    found["logs"] = b"".join(bytes.fromhex(entry["data"][2:]) for entry in logs)
    return found


def test_planted_canaries_are_found_nowhere(network: LiveNetwork) -> None:
    with connect(str(network.folder)) as net:
        program = net.deploy(Path(__file__).with_name("vault.py"))
        assert program.call("keep", CANARY).result(90) == "output-" + CANARY
        assert program.query("show") == CANARY[::-1] + "-in-state"
        key = bytes.fromhex(program.call("own_key").result(60))
        public = bytes.fromhex(program.id[2:])
    secrets = {
        "input": CANARY.encode(),
        "state": CANARY[::-1].encode(),
        "output": ("output-" + CANARY).encode(),
        "key": key,
    }
    places = everything(network)
    assert any(public in content for content in places.values())  # the search finds what is there
    for name, secret in secrets.items():
        for place, content in places.items():
            for form in forms(secret):
                assert form not in content, f"the {name} lies in {place}"
