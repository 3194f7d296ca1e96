"""All file formats and folder layouts that the package reads or writes.

``formats`` holds one file per format of predictions; ``pool_folder`` reads and writes a pool with its weights, and
``run_folder`` the results of a search.
"""

from evo_ensyth.io.formats import read_predictions, write_predictions
from evo_ensyth.io.pool_folder import StoredPool, read_pool, read_scores

__all__ = ["StoredPool", "read_pool", "read_predictions", "read_scores", "write_predictions"]
