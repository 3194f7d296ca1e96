"""What members cost in onnxruntime: bytes of a file, and milliseconds for 1 and for 100 samples.

A file computes once what members share, so costs are those of layers: the time of a layer is how much longer a graph
takes that ends with it than one that ends with the last layer before it at which members part. What every ensemble pays
once is the *call*: the preparation of images, the vote, and onnxruntime's own work. All graphs are timed in turns.

Times are rounded to multiples of the resolution, the median width of the 95 % intervals of the members' times. What the
measurement cannot tell apart is a tie.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import onnx_ir as ir

from evo_ensyth.deployment.ensemble_graph import ensemble_graph
from evo_ensyth.deployment.graph import GraphTape, content_of, finished, new_graph
from evo_ensyth.deployment.member_graph import MemberGraph
from evo_ensyth.deployment.network_graph import add_network, add_preparation
from evo_ensyth.deployment.timing import Timing, timings
from evo_ensyth.deployment.verify import BATCH, dataset_inputs, runtime, session_of
from evo_ensyth.deployment.vote_graph import VoteFactors
from evo_ensyth.errors import InputError
from evo_ensyth.io import StoredPool
from evo_ensyth.io.deployed import CALL, COSTS, write_deployed
from evo_ensyth.io.pool_folder import read_pool
from evo_ensyth.pool import Pool
from evo_ensyth.synthesis import load_member
from evo_ensyth.synthesis.measure import processor
from evo_ensyth.synthesis.network import Network, SequentialNetwork
from evo_ensyth.voting import plain_plurality

TIMES = {1: COSTS[1], BATCH: COSTS[2]}
OPSET = 21
PREPARED = "prepared"


def measure_pool(
    pool: str | Path,
    *,
    weights: str = "packed",
    rounds: int | None = None,
    progress: Callable[[str], object] = str,
    trust: bool = False,
) -> Pool:
    """Measure what the members of a pool cost in onnxruntime, and keep it in the pool's folder.

    From then on the pool has the costs ``onnx_bytes``, ``onnx_ms_1`` and ``onnx_ms_100``, which a search can minimise.
    Times are those of one thread of this machine; nothing else should be running.

    Parameters
    ----------
    pool : str or Path
        A pool folder whose members are this package's networks.
    weights : str
        How files store weights; see `export`.
    rounds : int, optional
        Measurements of each member.
    progress : function of str, optional
    trust : bool
        Import and call what the pool names; see `load_member`.

    Returns
    -------
    Pool
        With these costs.

    Raises
    ------
    InputError
        There is no such pool, its networks are not stored, or a library is missing.
    """
    folder = Path(pool)
    stored = read_pool(folder)
    dataset = stored.about.get("dataset")
    images = dataset_inputs(dataset) if isinstance(dataset, str) else None
    if images is None:
        raise InputError(f"{folder}: the data set '{dataset}' does not come with this package, so nothing is measured.")
    progress(f"building the graphs of {len(stored.pool)} members")
    ends, before, contents = _graphs(stored, images, weights, partial(load_member, stored, trust=trust))
    progress(f"timing {len(contents)} graphs in turns")
    times = {batch: _timed(contents, images[:batch], rounds) for batch in TIMES}
    resolutions = {batch: _resolution([times[batch][end] for end in ends.values()]) for batch in TIMES}
    chains = (CALL, *(layer["chain"] for stack in stored.layers for layer in stack))
    costs = {chain: dict[str, float](dict.fromkeys(COSTS, 0)) for chain in chains}
    for chain, previous in before.items():
        costs[chain] = {COSTS[0]: max(0, len(contents[chain]) - len(contents[previous] if previous else b""))}
        for batch, name in TIMES.items():
            longer = times[batch][chain].median - (times[batch][previous].median if previous else 0)
            costs[chain][name] = _rounded(max(0.0, longer), resolutions[batch])
    about = {
        "runtime": runtime(),
        "processor": processor(),
        "threads": 1,
        "weights": weights,
        "resolution": {TIMES[batch]: resolutions[batch] for batch in TIMES},
        "members": {name: {TIMES[batch]: vars(times[batch][end]) for batch in TIMES} for name, end in ends.items()},
    }
    write_deployed(folder, costs, about)
    return read_pool(folder).pool


def _graphs(
    stored: StoredPool, images: np.ndarray, weights: str, load: Callable[[str], Network]
) -> tuple[dict[str, str], dict[str, str | None], dict[str, bytes]]:
    """Graphs by the chain that they end with, and those of the call and of the preparation of images.

    Returns
    -------
    ends : mapping of member to the chain of its last layer
    before : mapping of chain to the chain that its costs are counted from
    contents : mapping of chain to content of a file
    """
    stacks = [[layer for layer in stack if layer["chain"] != CALL] for stack in stored.layers]
    owners: dict[str, list[int]] = {}
    for i, stack in enumerate(stacks):
        for layer in stack:
            owners.setdefault(layer["chain"], []).append(i)
    ends: dict[str, str] = {}
    before: dict[str, str | None] = {CALL: None}
    contents: dict[str, bytes] = {}
    for name, stack in zip(stored.pool.names, stacks, strict=True):
        network = load(name)
        if not isinstance(network, SequentialNetwork):
            raise InputError(
                f"member '{name}' is no chain of layers; onnxruntime is timed layer by layer, for such networks only."
            )
        begin = partial(_content, images=images)
        if not contents:
            contents[PREPARED] = begin(partial(add_preparation, preparation=network.preparation))
            contents[CALL] = _call(stored, images, network)
        previous = PREPARED
        for layer, following in zip(stack, [*stack[1:], None], strict=True):
            chain = layer["chain"]
            if following is not None and owners[following["chain"]] == owners[chain]:
                continue  # no member parts here
            if chain not in contents:
                before[chain] = previous
                contents[chain] = begin(partial(add_network, how=weights, network=network, last=layer["name"]))
            previous = chain
        ends[name] = previous
    return ends, before, contents


def _content(add: Callable[[GraphTape, ir.Value], ir.Value], images: np.ndarray) -> bytes:
    """A file of one graph, whose output has any shape."""
    tape, given = new_graph(images.dtype, images.shape[1:], OPSET)
    tape.graph.outputs.append(add(tape, given))
    tape.graph.outputs[0].dtype = ir.DataType.FLOAT
    return content_of(finished(tape))


def _call(stored: StoredPool, images: np.ndarray, network: Network) -> bytes:
    """A file that prepares images and lets one member vote that computes nothing."""

    def cut(tape: GraphTape, given: ir.Value, how: str) -> ir.Value:
        flat = tape.op("Flatten", [add_preparation(tape, given, preparation=network.preparation)], {"axis": 1})
        numbers = (np.array([number]) for number in (0, n_classes, 1))
        return tape.op("Slice", [flat, *(tape.constant(number) for number in numbers)])

    n_classes = stored.pool.search.n_classes
    member, factors = MemberGraph("nothing", "logits", "", cut), VoteFactors.of(plain_plurality(1))
    model = ensemble_graph(
        [member],
        factors,
        tuple(range(n_classes)),
        input_type=images.dtype,
        shape=images.shape[1:],
        opset=OPSET,
        weights="plain",
    )
    return content_of(model)


def _timed(contents: Mapping[str, bytes], images: np.ndarray, rounds: int | None) -> dict[str, Timing]:
    calls = {}
    for chain, content in contents.items():
        session = session_of(content, chain)
        calls[chain] = partial(session.run, None, {"input": images})
    return timings(calls, rounds=rounds)


def _resolution(times: list[Timing]) -> float:
    """Median width of intervals, rounded up to one digit: what a measurement can tell apart, in milliseconds."""
    width = max(float(np.median([each.high - each.low for each in times])), 1e-6)
    digit = 10.0 ** math.floor(math.log10(width))
    return float(f"{math.ceil(width / digit - 1e-9) * digit:.0e}")


def _rounded(value: float, resolution: float) -> float:
    """The nearest multiple of a resolution, as a decimal fraction."""
    return float(f"{round(value / resolution) * resolution:.9f}")
