"""Slow and obvious twins of the fast code, one module for each thing that they compute, and each twin once."""
