"""Templates of deployments and the release record."""
