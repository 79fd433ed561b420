"""The part of the CPython guest around the ``phat`` package: standard library, guards, loading, serving."""
