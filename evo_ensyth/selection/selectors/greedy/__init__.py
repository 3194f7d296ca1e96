"""Greedy selectors: grow or shrink ensembles one member at a time, by the effect of each step."""
