"""The sandbox: guest ABI, engine, executor, meters and snapshots.

wasmtime is imported in this package alone. Nothing is re-exported here, so that importing one module (``package``,
``abi``) does not load the engine.
"""
