"""Evolutionary selectors: a population of subsets, or of weights, is bred over generations.

``_loop`` holds what most of them share: the start, the generations and the stopping rules. Only ``_pymoo`` and
``_deap`` import pymoo and DEAP.
"""
