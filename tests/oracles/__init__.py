"""Slow and obvious twins of the fast code, named by what they compute, once each.

``votes`` counts votes, subset by subset and sample by sample; ``losses`` computes losses by their formulas;
``weights`` computes weights of votes in loops.
"""
