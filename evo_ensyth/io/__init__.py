"""Every layout on disk that the package reads or writes, one file a format.

``npz``: a file of predictions; ``pool_folder``: a pool with its weights; ``run_folder``: what a search found.
"""

from evo_ensyth.io.npz import read_predictions
from evo_ensyth.io.npz_writer import write_predictions
from evo_ensyth.io.pool_folder import StoredPool, read_pool, read_scores

__all__ = ["StoredPool", "read_pool", "read_predictions", "read_scores", "write_predictions"]
