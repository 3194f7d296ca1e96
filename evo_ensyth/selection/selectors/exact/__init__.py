"""Exact selectors, whose fronts are proven optimal."""
