"""Tests of ``coprocessor.codec``."""
