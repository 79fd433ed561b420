"""Primitives and the one registry of key labels and signing contexts."""
