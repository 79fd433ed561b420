"""Reads a component that componentize-py made, and takes it apart into core modules that can be merged into one.

A component links its core modules by *core instances*: each instantiates a module with exports of earlier
instances, or bundles exports under new names. Merging needs plain two-level imports, so every import is followed
to the instance that defines it. What remains are the *lowered* functions (imports of the world) and the
*lifted* functions (its exports), both in the canonical ABI.

**Source:** component-model Binary.md and CanonicalABI.md, as emitted by componentize-py 0.25.1; anything that this
reader has not seen makes it raise, since a wrong guess would give a wrong guest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from wasm_binary import (
    CORE_PREAMBLE,
    CUSTOM,
    IMPORT,
    Import,
    Reader,
    encode_imports,
    encode_section,
    read_imports,
    read_sections,
)

GLUE = "glue"

CORE_MODULE, CORE_INSTANCE, ALIAS, CANON = 1, 2, 6, 8
CORE_FUNC, CORE_TABLE, CORE_MEMORY, CORE_GLOBAL, CORE_TAG = range(5)
OPTION_MEMORY, OPTION_REALLOC, OPTION_POST_RETURN = 3, 4, 5
OPTIONS_WITH_INDEX = {OPTION_MEMORY, OPTION_REALLOC, OPTION_POST_RETURN, 7}


@dataclass(frozen=True, slots=True)
class Defined:
    """Something that a core instance exports."""

    instance: int
    name: str


@dataclass(frozen=True, slots=True)
class Lowered:
    """A function of the world's imports, lowered to a core function."""

    name: str
    options: dict[int, int]


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """A built-in of the canonical ABI; harmless unless a merged module imports it."""

    name: str


CoreItem = Defined | Lowered | Intrinsic


@dataclass(frozen=True, slots=True)
class Instantiation:
    """A core instance made from a module: import module name -> core instance."""

    module: int
    arguments: dict[str, int]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A core instance made of existing items: export name -> (sort, index)."""

    exports: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Lift:
    """A lifted export: core function and canonical options."""

    function: int
    options: dict[int, int]


@dataclass(slots=True)
class Component:
    """The parts of a component that matter for merging."""

    modules: list[bytes] = field(default_factory=list)
    instances: list[Instantiation | Bundle] = field(default_factory=list)
    items: dict[int, list[CoreItem]] = field(default_factory=lambda: {sort: [] for sort in range(5)})
    functions: list[str] = field(default_factory=list)
    lifts: list[Lift] = field(default_factory=list)

    def resolve(self, instance: int, name: str) -> CoreItem:
        """Follows ``name`` through bundles to what defines it."""
        made = self.instances[instance]
        if isinstance(made, Instantiation):
            return Defined(instance, name)
        sort, index = made.exports[name]
        return self.follow(self.items[sort][index])

    def follow(self, item: CoreItem) -> CoreItem:
        """The defining item of a core item."""
        return self.resolve(item.instance, item.name) if isinstance(item, Defined) else item


def read_component(data: bytes) -> Component:
    """Parses a component.

    Raises:
        ValueError: for anything that this reader does not know.
    """
    component = Component()
    readers = {CORE_INSTANCE: _read_core_instance, ALIAS: _read_alias, CANON: _read_canon}
    for section, body in read_sections(data):
        if section == CORE_MODULE:
            component.modules.append(body)
        elif section in readers:
            reader = Reader(body)
            for _ in range(reader.unsigned()):
                readers[section](component, reader)
    return component


def _read_core_instance(component: Component, reader: Reader) -> None:
    kind = reader.byte()
    if kind == 0:
        module, arguments = reader.unsigned(), {}
        for _ in range(reader.unsigned()):
            name = reader.name()
            if reader.byte() != 0x12:
                raise ValueError("a core instantiation argument that is not an instance")
            arguments[name] = reader.unsigned()
        component.instances.append(Instantiation(module, arguments))
    elif kind == 1:
        exports = {}
        for _ in range(reader.unsigned()):
            name = reader.name()
            exports[name] = (reader.byte(), reader.unsigned())
        component.instances.append(Bundle(exports))
    else:
        raise ValueError(f"core instance of kind {kind}")


def _read_alias(component: Component, reader: Reader) -> None:
    sort = reader.byte()
    core_sort = reader.byte() if sort == 0 else None
    target = reader.byte()
    if target == 1 and core_sort is not None:
        component.items[core_sort].append(Defined(reader.unsigned(), reader.name()))
    elif target == 0:
        reader.unsigned()
        name = reader.name()
        if sort == 1:
            component.functions.append(name)
    elif target == 2:
        reader.unsigned()
        reader.unsigned()
    else:
        raise ValueError(f"alias of sort {sort} with target {target}")


def _read_canon(component: Component, reader: Reader) -> None:
    kind = reader.byte()
    if kind == 0:
        reader.byte()
        function, options = reader.unsigned(), _read_options(reader)
        reader.unsigned()
        component.lifts.append(Lift(function, options))
        component.functions.append("(lifted)")
    elif kind == 1:
        reader.byte()
        lowered = component.functions[reader.unsigned()]
        component.items[CORE_FUNC].append(Lowered(lowered, _read_options(reader)))
    elif kind in (2, 3, 4):
        component.items[CORE_FUNC].append(Intrinsic(f"resource-{kind}-{reader.unsigned()}"))
    else:
        raise ValueError(f"canonical built-in {kind:#x}")


def _read_options(reader: Reader) -> dict[int, int]:
    options = {}
    for _ in range(reader.unsigned()):
        option = reader.byte()
        options[option] = reader.unsigned() if option in OPTIONS_WITH_INDEX else 0
    return options


@dataclass(frozen=True, slots=True)
class Flattened:
    """Modules ready for merging, and what the glue needs to know of them.

    Attributes:
        modules: (name for the merge, module) of every instantiated module.
        lowered: names of the world's imports that are used, in WIT spelling.
        call: where the lifted export is defined: (module name, export name).
        realloc: the same for the allocator of the canonical ABI.
        memory: the same for the linear memory.
    """

    modules: list[tuple[str, bytes]]
    lowered: list[str]
    call: tuple[str, str]
    realloc: tuple[str, str]
    memory: tuple[str, str]


def flatten(component: Component, export: str, replaced: Collection[str]) -> Flattened:
    """Rewrites every instantiated module so that its imports name the module that defines them.

    Args:
        component: what ``read_component`` gave.
        export: core name of the function that the world exports.
        replaced: names of WASI functions that the glue offers instead of componentize-py's trapping stubs.

    Raises:
        ValueError: if a merged module needs a canonical built-in, or the export is missing.
    """
    lowered: set[str] = set()
    modules = []
    for index, instance in enumerate(component.instances):
        if isinstance(instance, Instantiation):
            rewritten = _rewrite_imports(component, instance, lowered, replaced)
            modules.append((module_name(index), rewritten))
    lift, call = _find_lift(component, export)
    return Flattened(
        modules,
        sorted(lowered),
        call,
        _location(component, CORE_FUNC, lift.options[OPTION_REALLOC]),
        _location(component, CORE_MEMORY, lift.options[OPTION_MEMORY]),
    )


def _find_lift(component: Component, export: str) -> tuple[Lift, tuple[str, str]]:
    for lift in component.lifts:
        location = _location(component, CORE_FUNC, lift.function)
        if location[1] == export:
            return lift, location
    raise ValueError(f"the component lifts no function {export}")


def module_name(instance: int) -> str:
    """The name under which a core instance takes part in the merge."""
    return f"instance{instance}"


def _location(component: Component, sort: int, index: int) -> tuple[str, str]:
    item = component.follow(component.items[sort][index])
    if not isinstance(item, Defined):
        raise ValueError(f"core item {index} of sort {sort} is not defined by a module")
    return module_name(item.instance), item.name


def _rewrite_imports(
    component: Component, instance: Instantiation, lowered: set[str], replaced: Collection[str]
) -> bytes:
    result = bytearray(CORE_PREAMBLE)
    for section, body in read_sections(component.modules[instance.module]):
        if section == CUSTOM:
            continue
        if section == IMPORT:
            imports = []
            for wanted in read_imports(body):
                item = component.resolve(instance.arguments[wanted.module], wanted.name)
                if isinstance(item, Intrinsic):
                    raise ValueError(f"module imports the canonical built-in {item.name}")
                if isinstance(item, Lowered):
                    lowered.add(item.name)
                    imports.append(Import(GLUE, item.name, wanted.description))
                elif item.name in replaced:
                    imports.append(Import(GLUE, item.name, wanted.description))
                else:
                    imports.append(Import(module_name(item.instance), item.name, wanted.description))
            body = encode_imports(imports)
        result += encode_section(section, body)
    return bytes(result)
