"""Digits by latency: a cost and two objectives of one's own, without a change in the package.

The pool is that of ``digits``. How long each member takes for one image is measured on this machine when the problem is
first posed, and kept in ``runs/digits_latency/latency_ms.json``: remove the file to measure again. So the search itself
times nothing, and the same seed gives the same front.

    python -m evo_ensyth search digits_latency
    python -m evo_ensyth search digits_latency --objectives error,latency_sequential
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.files import read_json, write_json
from evo_ensyth.objectives import Ensembles, objective
from evo_ensyth.objectives.error import error
from evo_ensyth.workspace import Problem, problem_name, results_folder, stored_pool

if TYPE_CHECKING:
    from evo_ensyth.io import StoredPool


@objective(unit="ms per image")
def latency_parallel(ensembles: Ensembles) -> np.ndarray:
    """All members at once, each on a core of its own: as slow as the slowest."""
    return ensembles.largest("latency_ms")


@objective(unit="ms per image")
def latency_sequential(ensembles: Ensembles) -> np.ndarray:
    """One member after the other."""
    return ensembles.total("latency_ms")


def problem() -> Problem:
    """Error against the latency of members that run side by side."""
    stored = stored_pool("digits")
    pool = stored.pool.with_cost("latency_ms", _latencies(stored))
    return Problem(pool, (error, latency_parallel))


def _latencies(stored: StoredPool) -> list[float]:
    """Milliseconds per image of every member, measured once for a pool."""
    path = results_folder(problem_name(__name__)) / "latency_ms.json"
    kept = read_json(path) if path.exists() else {}
    if kept.get("votes") != stored.pool.search.fingerprint:  # never measured, or the pool was made anew since
        kept = {"votes": stored.pool.search.fingerprint, "latency_ms": _measure(stored)}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, kept)
    return [kept["latency_ms"][name] for name in stored.pool.names]


def _measure(stored: StoredPool) -> dict[str, float]:
    import torch  # only where something is measured; a search of what was measured does without

    from evo_ensyth.synthesis import load_member
    from evo_ensyth.synthesis.measure import latency_ms

    networks = {name: load_member(stored, name) for name in stored.pool.names}
    return {name: latency_ms(network, torch.zeros(1, 1, 8, 8)) for name, network in networks.items()}
