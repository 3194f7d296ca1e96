"""Measure the cost of ensembles whose members share their convolutions: eight of them, eight separate ones, and one.

    python benchmarks/shared_trunks.py                  # digits: a minute
    python benchmarks/shared_trunks.py fashion_mnist    # any problem with a recipe
    python benchmarks/shared_trunks.py runs/fashion_mnist_mixed/pool --full 'net_trim-*-set1'    # a pool that has both

Builds a pool by the problem's recipe with every fine-tuning twice, the second time with frozen convolutions, in
``runs/PROBLEM/shared-trunks``; or takes a pool whose members with frozen convolutions are called ``...-frozen``. Of
each kind, the eight members with the lowest errors on the search split are compared with the best one and with the
parent. Bytes and multiplications are those of the objectives, which count shared layers once. Latencies are measured
on the ensemble as one network, which computes shared layers once; it must predict the same as its members.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from output import Output, Sheet, Value, arguments
from safetensors.torch import load_file

from evo_ensyth import objectives, workspace
from evo_ensyth.cli.progress import pool_progress
from evo_ensyth.io import StoredPool, read_pool
from evo_ensyth.selection.problem import Problem
from evo_ensyth.synthesis import (
    Latency,
    Recipe,
    Route,
    SharedTrunkEnsemble,
    build_pool,
    default_workers,
    load_member,
    networks,
)
from evo_ensyth.synthesis.layer_surgery import with_state
from evo_ensyth.synthesis.measure import latency_ms, runtime
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.training import FineTuning

SIZE = 8
BATCHES = (1, 100)
FROZEN = "-frozen"


def both_ways(recipe: Recipe) -> Recipe:
    """The same recipe with every fine-tuning repeated with frozen convolutions, and without controls."""
    routes = [part if isinstance(part, Route) else Route(part, recipe.fine_tunings) for part in recipe.compressors]
    doubled = tuple(replace(route, fine_tunings=_doubled(route.fine_tunings), then=()) for route in routes)
    return replace(recipe, compressors=doubled, controls=())


def _doubled(tunings: Sequence[FineTuning]) -> tuple[FineTuning, ...]:
    frozen = [replace(tuning, name=f"{tuning.name}{FROZEN}", convolutions=False) for tuning in tunings]
    return (*tunings, *frozen)


def made_pool(name: str) -> StoredPool:
    """The pool of a problem, built both ways."""
    recipe = both_ways(workspace.problem_module(name).recipe())
    folder = workspace.results_folder(name) / "shared-trunks"
    with pool_progress(quiet=False) as progress:
        build_pool(recipe, folder, problem=name, progress=progress, workers=default_workers(recipe))
    return read_pool(folder)


def best(stored: StoredPool, pattern: str, *, frozen: bool) -> np.ndarray:
    """Positions of the matching members of one kind, lowest search error first."""
    names = stored.pool.names
    kind = [i for i in stored.pool.members.matching([pattern]).tolist() if names[i].endswith(FROZEN) == frozen]
    return np.array(sorted(kind, key=lambda i: (stored.pool.search.member_errors[i], i)))


def row(stored: StoredPool, positions: np.ndarray) -> list[float]:
    """Bytes, multiplications, latencies, and errors on the search and the test split."""
    subset = np.zeros((1, len(stored.pool)), dtype=bool)
    subset[0, positions] = True
    problem = Problem(stored.pool, ("bytes", "macs", "error"))
    tested = problem.on_test(subset)
    assert tested is not None
    *costs, error = objectives.judge(problem.objectives, problem.on_search(subset))[0]
    test_error = objectives.judge(problem.objectives, tested)[0, -1]
    members = [load_member(stored, stored.pool.names[i]) for i in positions]
    return [*costs, *latencies(members), error, test_error]


def latencies(members: Sequence[Network]) -> list[float]:
    """Milliseconds for each of the batches."""
    together = SharedTrunkEnsemble(members)
    found = []
    for batch in BATCHES:
        images = torch.rand(batch, *members[0].preparation.shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            alone = torch.stack([member(images) for member in members])
            assert torch.equal(together(images), alone)
        found.append(latency_ms(together, images))
    return found


def parent_row(stored: StoredPool) -> list[float]:
    """The same for the parent."""
    untrained = networks.build(stored.about["network"], stored.pool.search.n_classes, seed=0)
    parent = with_state(untrained, load_file(stored.folder / "parent.safetensors"))
    costs, labels = stored.pool.parent.costs, stored.pool.parent.y_pred
    errors = [np.mean(labels[votes.split] != votes.y_true) for votes in (stored.pool.search, stored.pool.test)]
    return [costs["bytes"], costs["macs"], *latencies([parent]), *errors]


def main() -> None:
    """Print the table for one problem, or one pool."""
    parser = arguments(__doc__)
    parser.add_argument("target", nargs="?", default="digits", help="a problem with a recipe, or a pool's folder")
    parser.add_argument("--full", default="*", help="which of the members that share nothing to look at, by name")
    options = parser.parse_args()
    target = Path(options.target)
    stored = read_pool(target) if target.is_dir() else made_pool(target.stem)
    frozen, free = best(stored, f"*{FROZEN}", frozen=True)[:SIZE], best(stored, options.full, frozen=False)[:SIZE]
    rows = {
        "the parent": parent_row(stored),
        "one member": row(stored, free[:1]),
        f"{len(free)} full members": row(stored, free),
        f"{len(frozen)} members, one trunk": row(stored, frozen),
    }
    one = rows["one member"]
    table: list[list[Value]] = []
    for label, values in rows.items():
        costs = [
            f"{value:,.{digits}f} ({value / unit:.2f})"
            for value, unit, digits in zip(values, one, (0, 0, 3, 3), strict=False)
        ]
        table.append([label, *costs, *(100 * float(error) for error in values[-2:])])
    names = ["", "bytes", "MACs", *(f"ms for {batch}" for batch in BATCHES)]
    columns = {**dict.fromkeys(names, ""), "search error %": ".2f", "test error %": ".2f"}
    measured = runtime(Latency())
    with Output(__doc__, options) as out:
        out.note(f"{measured['runtime']}, one thread, {measured['processor']}")
        out.show(Sheet(f"{stored.problem}: in brackets, times what one member takes", columns, table))


if __name__ == "__main__":
    main()
