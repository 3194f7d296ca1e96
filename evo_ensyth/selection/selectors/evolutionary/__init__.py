"""Evolutionary selectors: a population of subsets, or of weights, is bred over generations.

``_loop`` is what most of them share: where they start, what they repeat, when they end. pymoo and DEAP are reached
through ``_pymoo`` and ``_deap`` alone.
"""
