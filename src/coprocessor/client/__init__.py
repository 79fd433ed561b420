"""The Python SDK: deploy programs, call and query them, keep receipts. ``from coprocessor import connect``.

The client believes the chain by seals and storage proofs and workers by what those prove (PROTOCOL 2.3, 4.4, 6); a
node or a worker that lies is refused with the name of the proof that failed. Nothing is re-exported here, so that
importing one module does not load the others.
"""
