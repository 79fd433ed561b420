"""Identities, units, limits, errors and network parameters: frozen values that know nothing of the world."""
