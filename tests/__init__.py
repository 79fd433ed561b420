"""The test suite; mirrors `src/`."""
