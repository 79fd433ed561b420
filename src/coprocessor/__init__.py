"""A trustless coprocessor for blockchains: confidential programs off the chain, proven on it."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
