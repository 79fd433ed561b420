"""Arrows point one way: the table of ARCHITECTURE.md against the imports that the source makes (DESIGN 5)."""

from __future__ import annotations

import re
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from coprocessor.attesters.measure import MEASURED_PACKAGES
from tests.architecture.source import PACKAGE, Module, first_party, imports, module_names, modules, rooms

# Third-party modules that one package alone may import, and those that some may never import.
CONFINED = {
    "wasmtime": {"sandbox"},
    "eth": {"devnode"},
    "trie": {"devnode"},
    "rlp": {"devnode"},
    "dcap_qvl": {"attestation"},
    "coincurve": {"crypto"},
    "sha3": {"crypto"},
    "pyblst": {"crypto"},
    "py_arkworks_bls12381": {"crypto"},
    "sqlite3": {"durable"},
    "aiohttp": {"chain", "host", "devnode", "client", "cli", "testing"},
    "web3": {"chain", "client", "cli", "testing"},
    "eth_account": {"chain", "client", "cli", "testing"},
}

# Imports inside functions, file by file, with the reason; elsewhere they would only hide a cycle. In ``cli`` they are
# the rule: a command loads what it needs, so that ``phat --help`` and ``phat verify`` start at once.
LAZY = {
    "src/coprocessor/__init__.py": "the SDK's front doors: importing the package costs nothing",
    "src/coprocessor/client/deployment.py": "building a package needs the sandbox; other uses of the SDK do not",
    "src/coprocessor/devnode/process.py": "one of two nodes is started; py-evm takes a second to load",
}

ALL = modules()
IDS = [module.path for module in ALL]


def test_the_table_and_the_tree_name_the_same_packages() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    planned = {name for name, room in rooms().items() if room.purpose.startswith("planned: ")}
    assert folders == set(rooms()) - planned
    assert all(room.purpose for room in rooms().values())


def test_the_table_is_read() -> None:
    assert rooms()["values"].level == 1
    assert rooms()["codec"].also == {"crypto"}


@pytest.mark.parametrize("module", ALL, ids=IDS)
def test_imports_go_downwards(module: Module) -> None:
    if not module.package:
        return
    room = rooms()[module.package]
    for target in first_party(module):
        if target in room.also:
            continue
        assert rooms()[target].level < room.level, f"{module.path} (level {room.level}) imports {target}"


def test_rooms_do_not_form_a_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for module in ALL:
        if module.package:
            graph.setdefault(module.package, set()).update(first_party(module))
    graph["enclave"].discard("attesters")  # the loop alone, see below; attesters never import the enclave
    _assert_acyclic(graph)
    assert "enclave" not in graph["attesters"]


def test_modules_do_not_form_a_cycle() -> None:
    """Imports inside functions count too: they would not have to hide there without a cycle."""
    names = module_names()
    inner = [module for module in ALL if module.package]
    _assert_acyclic(
        {module.name: {item.target for item in imports(module)} & names - {module.name} for module in inner}
    )


def _assert_acyclic(graph: dict[str, set[str]]) -> None:
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports form a cycle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("name", CONFINED)
def test_libraries_stay_where_they_belong(name: str) -> None:
    users = {module.package for module in ALL for item in imports(module) if item.target.split(".")[0] == name}
    assert users <= CONFINED[name]


def _users(package: str) -> set[str]:
    return set().union(*(first_party(module) for module in ALL if module.package == package))


def test_the_client_never_reaches_into_host_or_enclave() -> None:
    assert not _users("client") & {"host", "enclave", "attesters", "devnode"}


def test_the_enclave_never_reaches_the_chain_or_its_host() -> None:
    assert not _users("enclave") & {"chain", "host", "client", "devnode"}


def test_what_is_measured_writes_no_file() -> None:
    measured = {module.package for module in ALL if "durable" in first_party(module)} & set(MEASURED_PACKAGES)
    assert not measured


def test_attesters_are_injected_into_the_enclaves_edge_alone() -> None:
    users = {module.path for module in ALL if module.package == "enclave" and "attesters" in first_party(module)}
    assert all(re.search(r"/(\w+_main|loop|process)\.py$", path) for path in users)


def test_the_embedded_chain_knows_levels_1_and_2_and_the_disk_alone() -> None:
    assert all(rooms()[target].level <= 2 for target in _users("devnode") - {"durable"})


def test_the_chain_is_used_by_url_alone() -> None:
    users = {module.package for module in ALL if "devnode" in first_party(module)}
    assert users <= {"cli", "testing"}


@pytest.mark.parametrize("module", ALL, ids=IDS)
def test_imports_stand_at_the_top(module: Module) -> None:
    local = [item.line for item in imports(module) if item.is_local]
    if module.package not in ("cli",) and module.path not in LAZY:
        assert not local, f"imports inside functions in lines {local}"


def test_no_exception_outlives_its_reason() -> None:
    local = {module.path for module in ALL if any(item.is_local for item in imports(module))}
    assert set(LAZY) <= local


def test_the_guest_sdk_needs_the_standard_library_alone() -> None:
    for module in modules("phat"):
        for item in imports(module):
            top = item.target.split(".")[0]
            known = top in sys.stdlib_module_names or top in ("phat", "_phat")
            assert known, f"{module.path}:{item.line} imports {top}"


@pytest.mark.parametrize("statement", ["import coprocessor.host.x", "from coprocessor.host import x"])
def test_a_forbidden_import_would_be_seen(statement: str) -> None:
    import ast

    module = Module("coprocessor.client.sample", "sample.py", ast.parse(f"def f():\n    {statement}\n"))
    assert first_party(module) == {"host"}
    assert [item.is_local for item in imports(module)] == [True]
