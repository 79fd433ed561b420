"""Scripts of the repository that are no modules of the package, as modules for their tests."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

__all__ = ["load_script"]

_ROOT = Path(__file__).resolve().parents[2]


def load_script(path: str) -> ModuleType:
    """Runs the script at ``path`` below the repository's folder."""
    name = path.removesuffix(".py").replace("/", "_")
    spec = spec_from_file_location(name, _ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
