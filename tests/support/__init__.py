"""Helpers that several packages' tests share."""
