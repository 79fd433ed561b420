"""Deploying on trusted hardware: templates, what may be released, and the signed release record."""
