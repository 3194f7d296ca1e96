"""Proofs that no subset of a size makes fewer errors."""
