"""The examples' own files as modules; they are no package, and several have the same name."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from tests.examples.scene import EXAMPLES


def load_file(path: str) -> ModuleType:
    """Runs a file of the examples, with its folder's modules in reach, and leaves the search path as it was."""
    file = EXAMPLES / path
    spec = spec_from_file_location(f"example_{path.replace('/', '_').removesuffix('.py')}", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)  # where dataclasses look for it
    before = list(sys.path)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module
