"""Search all subsets of a pool of compressed networks for the small ensembles that vote best.

The walk of the data is the order of the rooms: ``synthesis`` makes a pool, ``pool`` holds it, ``voting`` counts what a
subset answers, ``objectives`` judge it, ``search`` chooses, ``report`` tells. ``python -m evo_ensyth --help`` is the
front door.
"""

__version__ = "0.1.0"
