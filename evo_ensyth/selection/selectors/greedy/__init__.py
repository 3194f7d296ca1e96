"""Greedy selectors: ensembles grow, or shrink, one member at a time, by what the step does to the vote."""
