"""All file formats and folder layouts that the package reads or writes.

``formats`` holds one file per format of predictions, ``layouts`` one per layout of a folder of them; ``pool_folder``
reads and writes a pool with its weights, ``run_folder`` the results of a search, and ``submission`` writes what an
ensemble answers to a Kaggle competition.
"""

from evo_ensyth.io.formats import read_predictions, write_predictions
from evo_ensyth.io.layouts import read_folder
from evo_ensyth.io.pool_folder import StoredPool, read_pool, read_scores

__all__ = ["StoredPool", "read_folder", "read_pool", "read_predictions", "read_scores", "write_predictions"]
