"""Threshold master key, its shares and ceremonies, and everything that is derived from it: pure."""
