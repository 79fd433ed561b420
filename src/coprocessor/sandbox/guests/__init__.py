"""Package data: the packed CPython guest and the record of what made it."""
