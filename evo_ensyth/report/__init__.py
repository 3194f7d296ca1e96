"""Show what came out: ``facts`` are worked out first, then each renderer turns them into text, pictures or pages.

``console`` and ``html`` show a run on a terminal and in a notebook; ``renderers`` holds one file for each kind of file
in a run's folder; ``pool_facts``, ``pool_console`` and ``pool_plots`` do the same for a pool.
"""

from evo_ensyth.report.folder import write_pool_report, write_report, write_run_folder

__all__ = ["write_pool_report", "write_report", "write_run_folder"]
