"""Selectors that order or group the members first, by how they differ, and judge ensembles of every size then."""
