"""``python -m coprocessor.devnode``: start a node, print one line of JSON when it is ready, serve until a signal."""

from __future__ import annotations

import logging
import sys

from coprocessor.devnode.options import parse_options
from coprocessor.devnode.process import run_node
from coprocessor.values.errors import CoprocessorError


def main() -> int:
    """Exit status: 0 stopped by a signal, 1 could not start."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        run_node(parse_options())
    except CoprocessorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
