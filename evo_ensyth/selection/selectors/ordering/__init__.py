"""Selectors that order or group members by how they differ, and then evaluate ensembles of every size."""
