"""Exact selectors: what they find is proven to be the best."""
