"""Digits by latency: a cost and two objectives of its own, on the pool of ``digits``.

The latency of every member for one image is measured on this machine when the problem is first loaded, and stored in
``runs/digits_latency/latency_ms.json``; remove the file to measure again. So the search itself measures nothing, and
the same seed gives the same front.

    python -m evo_ensyth search digits_latency
    python -m evo_ensyth search digits_latency --objectives smoothed_error,latency_sequential
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.files import read_json, write_json
from evo_ensyth.objectives import Ensembles, objective
from evo_ensyth.objectives.smoothed_error import smoothed_error
from evo_ensyth.workspace import Problem, problem_name, results_folder, stored_pool

if TYPE_CHECKING:
    from evo_ensyth.io import StoredPool


@objective(unit="ms per image")
def latency_parallel(ensembles: Ensembles) -> np.ndarray:
    """Members side by side, each on its own core: as slow as the slowest of them."""
    return ensembles.largest("latency_ms")


@objective(unit="ms per image")
def latency_sequential(ensembles: Ensembles) -> np.ndarray:
    """Members one after another."""
    return ensembles.total("latency_ms")


def problem() -> Problem:
    """Trade the error off against the latency of members side by side."""
    stored = stored_pool("digits")
    pool = stored.pool.with_cost("latency_ms", _latencies(stored))
    return Problem(pool, (smoothed_error, latency_parallel))


def _latencies(stored: StoredPool) -> list[float]:
    """Milliseconds per image for every member, measured once for each pool."""
    path = results_folder(problem_name(__name__)) / "latency_ms.json"
    kept = read_json(path) if path.exists() else {}
    if kept.get("votes") != stored.pool.search.fingerprint:  # never measured, or measured for another pool
        kept = {"votes": stored.pool.search.fingerprint, "latency_ms": _measure(stored)}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, kept)
    return [kept["latency_ms"][name] for name in stored.pool.names]


def _measure(stored: StoredPool) -> dict[str, float]:
    import torch  # needed to measure, not to search

    from evo_ensyth.synthesis import load_member
    from evo_ensyth.synthesis.measure import latency_ms

    networks = {name: load_member(stored, name) for name in stored.pool.names}
    return {name: latency_ms(network, torch.zeros(1, 1, 8, 8)) for name, network in networks.items()}
