"""Proofs that no subset of a given size makes fewer errors."""
