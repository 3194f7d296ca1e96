"""Measure exported ensembles in onnxruntime, beside the same networks in PyTorch and beside the parent alone.

    python benchmarks/export.py [--only labels | others | times]  # digits, which is built first if need be
    python benchmarks/export.py runs/mine/pool ...                # pools of networks that this package knows
    python benchmarks/export.py --browser chromium ...            # labels by onnxruntime-web; npm is needed

Of a pool that is still being built the members that are made by then are taken.
First the labels: every vote rule with every kind of members, all test samples at once and 500 of them in batches of 1
and 7, against the vote of the engine. Other members are estimators of scikit-learn, and files that PyTorch wrote.
``npm install --prefix docs/demo`` fetches onnxruntime-web.
Then files and times. Of the mixed Fashion-MNIST pool only predictions are stored, so its members are drawn at random
with the widths that their costs determine; times do not depend on the weights, and errors are those of the predictions.
All times are medians with 95 % intervals, of one thread, measured in turns.
"""

import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from browser import Browser
from output import Output, Sheet, Value, arguments
from safetensors.torch import load_file
from sklearn.ensemble import RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

import evo_ensyth as ee
from evo_ensyth import voting, workspace
from evo_ensyth.deployment.ensemble_graph import ensemble_graph
from evo_ensyth.deployment.graph import content_of
from evo_ensyth.deployment.member_graph import MemberGraph
from evo_ensyth.deployment.network_graph import add_network
from evo_ensyth.deployment.timing import Timing, timings
from evo_ensyth.deployment.verify import dataset_inputs, runtime, session_of
from evo_ensyth.deployment.vote_graph import VoteFactors
from evo_ensyth.files import read_json
from evo_ensyth.io import StoredPool, read_pool
from evo_ensyth.io.pool_folder import read_member, write_manifest
from evo_ensyth.pool import Pool
from evo_ensyth.synthesis import SharedTrunkEnsemble, datasets, load_member, measure, networks
from evo_ensyth.synthesis.inspection.removal import keep_units
from evo_ensyth.synthesis.inspection.units import find_units
from evo_ensyth.synthesis.layer_surgery import with_state
from evo_ensyth.synthesis.network import Network
from evo_ensyth.voting import EnsembleVote, VoteRule, plain_plurality

BATCHES = (1, 100)
# Samples in small batches, and the most answers, members times samples, for which every method is a kind of its own.
FEW, MANY = 500, 50_000
# Of a search of runs/reference/fashion_mnist_mixed/predictions.npz by error and multiplications, the ensemble with the
# lowest error among those with fewer multiplications than the parent.
FOUR = ("dropnet-minimum_layer-continue-5", "dropnet-random_layer-continue-4", "apoz-2", "apoz-4")
FULL = (32, 64, 512)
Labelled = Callable[[bytes, np.ndarray, Sequence[tuple[int, int]]], np.ndarray]


class Members:
    """Networks of a pool as graphs, each loaded once."""

    def __init__(self, stored: StoredPool, images: np.ndarray) -> None:
        self.stored, self.images = stored, images
        self.networks = {name: load_member(stored, name) for name in stored.pool.names}

    def content(self, names: Sequence[str], vote: EnsembleVote, weights: str = "packed") -> bytes:
        """Content of the file of an ensemble."""
        return written({name: self.networks[name] for name in names}, vote, self.images, weights)


def finished_part(folder: Path, place: Path) -> Path:
    """Copy a pool that is still being built, as if its recipe named only the members that are made."""
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns("work", "controls", "failed.json", ".*"))
    begun = read_json(place / "recipe.json")
    recipe = begun["recipe"]
    # A member that is made now is in the copy whole: its last file says which others there are.
    made = [path.name for path in sorted((place / "members").iterdir()) if read_member(place, path.name) is not None]
    about = {name: recipe[name] for name in ("dataset", "network")}
    about["parents"] = {parent["name"]: {"network": parent["network"]} for parent in recipe.get("parents", ())}
    write_manifest(place, made, problem=f"{begun['problem']}, {len(made)} made", n_classes=10, about=about)
    return place


def written(known: dict[str, Network], vote: EnsembleVote, images: np.ndarray, weights: str = "packed") -> bytes:
    """Content of the file of some networks that vote."""
    factors = VoteFactors.of(vote)
    needed = [i for i in range(len(known)) if factors.label[i] or factors.score[i] or factors.leading]
    graphs = [MemberGraph(name, "logits", "", partial(add_network, network=one)) for name, one in known.items()]
    shape = {"input_type": images.dtype, "shape": images.shape[1:], "opset": 21, "weights": weights}
    chosen = [graphs[i] for i in needed]
    return content_of(ensemble_graph(chosen, factors.part(needed), tuple(range(10)), **shape))


def rules() -> Iterator[VoteRule]:
    """Every vote rule, with every way to break ties, with and without tempering."""
    for name in voting.names():
        yield voting.load(name)
    for ties in ("scores", "log_odds", "lowest"):
        yield voting.Plurality(ties=ties, temper=False)
    yield voting.Soft(temper=False)
    yield voting.Half(temper=False)
    yield voting.Stacking(adds="scores")
    yield voting.Stacking(loss="log")


def kinds(stored: StoredPool) -> dict[str, list[int]]:
    """The best three, and everybody and all members of each method; where that would take hours, one of each method."""
    search, by_method = stored.pool.search, dict[str, list[int]]()
    best = np.argsort(search.member_errors, kind="stable").tolist()
    for i in best:
        by_method.setdefault(str(stored.pool.members.origins[i].get("method")), []).append(i)
    found = {"the best three": sorted(best[:3])}
    if stored.pool.splits["test"].n_samples * len(best) > MANY:
        return found | {"one of each method": sorted(members[0] for members in by_method.values())}
    return found | {"everybody": sorted(best)} | {method: sorted(members) for method, members in by_method.items()}


def installed(content: bytes, samples: np.ndarray, batches: Sequence[tuple[int, int]]) -> np.ndarray:
    """Labels by the runtime that is installed, of the samples from start to end of each batch."""
    session = session_of(content, "file")
    return np.concatenate([session.run(["label"], {"input": samples[start:end]})[0] for start, end in batches])


def compared(n_samples: int) -> list[tuple[int, int]]:
    """Batches to compare: a few samples by 1 and by 7, then all samples at once."""
    few = min(FEW, n_samples)
    small = [(start, min(start + size, few)) for size in (1, 7) for start in range(0, few, size)]
    return [*small, (0, n_samples)]


def files(members: Members) -> Iterator[tuple[bytes, np.ndarray]]:
    """Content of a file of each rule and kind, and what the engine says of all test samples."""
    pool = members.stored.pool
    for rule in rules():
        fitted = voting.fit(rule, pool.search)
        for positions in kinds(members.stored).values():
            vote = fitted.of(np.isin(np.arange(len(pool)), positions))
            expected = vote.predict(pool.splits["test"].part(np.array(positions)))
            yield members.content([pool.names[i] for i in positions], vote), expected


def other_files(inputs: np.ndarray) -> Iterator[tuple[bytes, np.ndarray]]:
    """As `files`, of members that this package did not make: estimators, and files of modules of PyTorch."""
    data = datasets.load("digits")
    X, y = rows(data.train.images), data.train.y_true.astype(np.int64)
    (X_fit, X_search), (y_fit, y_search) = np.array_split(X, 2), np.array_split(y, 2)
    splits = (X_search, y_search), (inputs, data.test.y_true.astype(np.int64))
    unfitted = (GaussianNB(), DecisionTreeClassifier(random_state=0), RandomForestClassifier(10, random_state=0))
    estimators = {type(one).__name__: one.fit(X_fit, y_fit) for one in unfitted}
    of_estimators = ee.Pool.from_estimators(estimators, *splits[0], test=splits[1])
    modules = {f"units-{n}": trained(n, X_fit, y_fit) for n in (8, 16)}
    search, test = ([tuple(map(torch.tensor, split))] for split in splits)
    of_modules = ee.Pool.from_modules(modules, search, test=test)
    with TemporaryDirectory() as scratch:
        onnx = {name: Path(scratch) / f"{name}.onnx" for name in modules}
        how: dict[str, Any] = {"dynamo": True, "opset_version": 21, "verbose": False}
        for name, module in modules.items():
            n = torch.export.Dim("n")
            torch.onnx.export(module, search[0][:1], onnx[name], dynamic_shapes=({0: n},), **how)
        for known, pool in ((estimators, of_estimators), (onnx, of_modules)):
            for i, rule in enumerate(rules()):
                run = ee.search(pool, ["error"], selector="whole_pool", baselines=(), vote=rule, n_folds=0)
                path = Path(scratch) / f"{id(known)}-{i}.onnx"
                ee.export(run, path, pool=pool, members=known, inputs=inputs)
                yield path.read_bytes(), run.recommended.predict(np.array(pool.test.scores.members))


def rows(images: np.ndarray) -> np.ndarray:
    """Images as rows of float32."""
    return images.reshape(len(images), -1).astype(np.float32)


def trained(n_units: int, X: np.ndarray, y: np.ndarray) -> torch.nn.Module:
    """A module with one hidden layer, after some steps on all samples."""
    torch.manual_seed(n_units)
    layers = torch.nn.Linear(X.shape[1], n_units), torch.nn.GELU(), torch.nn.Linear(n_units, 10)
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(X.shape[1]), *layers)
    steps = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(100):
        steps.zero_grad()
        torch.nn.functional.cross_entropy(module(torch.tensor(X)), torch.tensor(y)).backward()
        steps.step()
    return module.eval()


def labels(
    name: str, found: Iterable[tuple[bytes, np.ndarray]], inputs: np.ndarray, labelled: Labelled, by: str
) -> list[Value]:
    """Compare the labels of all batches of some files: how many files, labels, and labels that differ."""
    n_files = n_labels = n_differing = 0
    batches = compared(len(inputs))
    order = np.concatenate([np.arange(start, end) for start, end in batches])
    for content, expected in found:
        n_differing += int(np.count_nonzero(labelled(content, inputs, batches) != expected[order]))
        n_labels += len(order)
        n_files += 1
        print(f"{name}, {by}: {n_files} files, {n_labels:,} labels, {n_differing:,} differ", file=sys.stderr)
    n_rules = len(list(rules()))
    n_kinds, left = divmod(n_files, n_rules)
    of_all: list[Value] = [None, None] if left else [n_rules, n_kinds]  # with --files, not all kinds of all rules
    return [name, by, *of_all, n_files, n_labels, n_differing]


def calls(name: str, content: bytes, known: Sequence[Network], images: np.ndarray) -> dict[str, Callable[[], object]]:
    """Calls of one ensemble in both runtimes, for each batch."""
    session, together = session_of(content, name), SharedTrunkEnsemble(known)
    found: dict[str, Callable[[], object]] = {}
    for batch in BATCHES:
        given, tensor = images[:batch], torch.tensor(images[:batch])
        found[f"{name} ort {batch}"] = partial(session.run, None, {"input": given})
        found[f"{name} torch {batch}"] = lambda tensor=tensor: together(known[0].prepare(tensor))
    return found


def timed_rows(ensembles: dict[str, tuple[bytes, list[Network], list[Value]]], images: np.ndarray) -> list[list[Value]]:
    """A row for each ensemble: its name, what is known of it, and its times."""
    every: dict[str, Callable[[], object]] = {}
    for name, (content, known, _) in ensembles.items():
        every |= calls(name, content, known, images)
    with torch.inference_mode():
        times = timings(every)
    return [
        [name, *about, *(_text(times[f"{name} {how} {batch}"]) for batch in BATCHES for how in ("ort", "torch"))]
        for name, (_, _, about) in ensembles.items()
    ]


def _text(timing: Timing) -> str:
    return f"{timing.median:.3g} ({timing.low:.3g} to {timing.high:.3g})"


def of_pool(members: Members) -> list[list[Value]]:
    """The parent, the recommended ensemble of a short search, and larger ones, of one pool."""
    stored, pool = members.stored, members.stored.pool
    untrained = networks.build(stored.about["network"], 10, seed=0)
    parent = with_state(untrained, load_file(stored.folder / "parent.safetensors"))
    run = ee.search(pool, selector="forward_greedy", baselines=(), n_folds=0)
    test = pool.splits["test"]
    wrong = float(np.mean(pool.parent.y_pred["test"] != test.y_true))
    content = written({"parent": parent}, plain_plurality(1), members.images)
    macs = sum(layer["costs"]["macs"] for layer in measure.layers(parent))
    found = {f"{stored.problem}: the parent": (content, [parent], [1, len(content), macs, wrong])}
    chosen = {"recommended": run.recommended.members}
    if len(pool) * test.n_samples <= MANY:
        chosen["whole pool"] = pool.names
    if set(FOUR) <= set(pool.names):
        chosen["the same four"] = FOUR
    fitted = voting.fit(voting.Plurality(), pool.search)
    for what, names in chosen.items():
        subset = np.isin(pool.names, names)
        known = {name: members.networks[name] for name in pool.names if name in names}
        found[f"{stored.problem}: {what}"] = ensemble_of(pool, known, fitted.of(subset), members.images)
    return timed_rows(found, members.images)


def ensemble_of(pool: Pool, known: dict[str, Network], vote: EnsembleVote, images: np.ndarray) -> tuple[Any, ...]:
    """Content, networks and what is known of an ensemble: members, bytes, multiplications, test error."""
    test, subset = pool.splits["test"], np.isin(pool.names, list(known))
    error = float(np.mean(vote.predict(test.part(np.flatnonzero(subset))) != test.y_true))
    content = written(known, vote, images)
    macs = ee.Ensembles(subset[None], pool.members, test).total("macs")[0]
    return content, list(known.values()), [len(known), len(content), int(macs), error]


def widths(macs: int, parameters: int) -> tuple[int, int, int]:
    """Units in conv1, conv2 and fc1 of a LeNet, which its multiplications and parameters determine."""
    for first in range(1, FULL[0] + 1):
        for second in range(1, FULL[1] + 1):
            third, rest = divmod(macs - 784 * 25 * first - 196 * 25 * first * second, 49 * second + 10)
            biases = first + second + third + 10
            if rest == 0 and parameters == 25 * first * (1 + second) + third * (49 * second + 10) + biases:
                return first, second, third
    raise ValueError(f"no LeNet has {macs} multiplications and {parameters} parameters")


def narrow(units: tuple[int, int, int], seed: int = 0) -> Network:
    """LeNet with so many units in conv1, conv2 and fc1."""
    layers = zip(("conv1", "conv2", "fc1"), FULL, units, strict=True)
    kept = {layer: np.arange(full) < n for layer, full, n in layers}
    network = networks.build("lenet", 10, seed)
    return keep_units(network, find_units(network), kept)[0]


def like(pool: Pool, i: int) -> Network:
    """A network with the layers of a member, and drawn weights."""
    name, macs = pool.names[i], int(pool.costs["macs"][i])
    if name.startswith("tiny"):
        return networks.build("dropnet_b", 10, i)
    full = macs == int(pool.parent.costs["macs"])
    return narrow(FULL if full else widths(macs, int(pool.costs["parameters"][i])), i)


def fashion_mnist() -> tuple[list[list[Value]], str]:
    """The parent, four that beat it with fewer multiplications, and what a search by the time of 100 images finds."""
    pool = ee.load("runs/reference/fashion_mnist_mixed/predictions.npz")
    images = np.random.default_rng(0).integers(0, 256, (100, 1, 28, 28), dtype=np.uint8)
    fitted = voting.fit(voting.Plurality(), pool.search)
    parent = networks.build("lenet", 10, seed=9)
    alone = written({"parent": parent}, plain_plurality(1), images)
    test, macs = pool.splits["test"], int(pool.parent.costs["macs"])
    wrong = float(np.mean(pool.parent.y_pred["test"] != test.y_true))
    found = {
        "LeNet, the parent": (
            alone,
            [parent],
            [1, len(alone), macs, wrong],
        )
    }
    members = np.isin(pool.names, FOUR)
    four = {pool.names[i]: like(pool, i) for i in np.flatnonzero(members).tolist()}
    found["four with fewer MACs"] = ensemble_of(pool, four, fitted.of(members), images)
    # Members of one shape take one time: it does not depend on the weights.
    shapes = [str(like(pool, i)) for i in range(len(pool))]
    sessions = {}
    for i, shape in enumerate(shapes):
        if shape not in sessions:
            content = written({"one": like(pool, i)}, plain_plurality(1), images)
            sessions[shape] = partial(session_of(content, "one").run, None, {"input": images})
    times = timings(sessions)
    limit = times[str(parent)].median
    pool = pool.with_cost("onnx_ms_100", [round(times[shape].median, 1) for shape in shapes])
    run = ee.search(pool, ["error", "onnx_ms_100"], at_most={"onnx_ms_100": limit}, baselines=(), n_folds=0)
    best = min(run.front, key=lambda ensemble: (ensemble.search_errors, ensemble.size))
    name = "the best within the parent's time"
    drawn = {pool.names[i]: like(pool, i) for i in best.indices}
    found[name] = ensemble_of(pool, drawn, best.voting or plain_plurality(best.size), images)
    said = f"{name}: {', '.join(best.members)}; search error {best.error('search'):.2%}, that of the parent's labels "
    wrong = float(np.mean(pool.parent.y_pred["search"] != pool.search.y_true))
    return timed_rows(found, images), f"{said}{wrong:.2%}."


def main() -> None:
    """Print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("pools", nargs="*", help="pool folders; by default that of digits")
    parser.add_argument("--only", choices=("labels", "others", "times"))
    parser.add_argument("--browser", metavar="COMMAND", help="compare the labels of onnxruntime-web in this Chromium")
    parser.add_argument("--samples", type=int, metavar="N", help="compare the labels of the first N test samples only")
    parser.add_argument(
        "--files", nargs=2, type=int, metavar=("FIRST", "LAST"), default=(1, None), help="of each pool, counted from 1"
    )
    options = parser.parse_args()
    wanted = {options.only} if options.only else {"labels", "others"} | (set() if options.browser else {"times"})
    folders = [Path(folder) for folder in options.pools]
    if not folders and wanted != {"others"}:
        folders = [workspace.pool_folder("digits")]
        if not (folders[0] / "pool.json").exists():
            ee.build_pool("digits")
    torch.set_num_threads(1)
    same: list[list[Value]] = []
    table, said = fashion_mnist() if "times" in wanted else ([], "")
    with ExitStack() as stack:
        scratch = stack.enter_context(TemporaryDirectory())
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # closes the browser
        browser = stack.enter_context(Browser(options.browser)) if options.browser else None
        labelled, by = (browser.labels, browser.runtime) if browser else (installed, runtime())
        for i, folder in enumerate(folders):
            whole = (folder / "pool.json").exists()
            stored = read_pool(folder if whole else finished_part(folder, Path(scratch) / str(i)))
            images = dataset_inputs(stored.about["dataset"])
            assert images is not None
            members = Members(stored, images)
            if "times" in wanted:
                table += of_pool(members)
            if "labels" in wanted:
                some = islice(files(members), options.files[0] - 1, options.files[1])
                same.append(labels(stored.problem, some, images[: options.samples], labelled, by))
        if "others" in wanted:
            inputs = rows(datasets.load("digits").test.images)
            same.append(labels("digits, other members", other_files(inputs), inputs[: options.samples], labelled, by))
    with Output(__doc__, options) as out:
        out.note(f"{runtime()} and torch {torch.__version__}, one thread each; onnx-ir {ir.__version__}")
        counts = dict.fromkeys(("pool", "runtime"), "<") | dict.fromkeys(("rules", "kinds", "files"), "")
        counts |= dict.fromkeys(("labels", "labels that differ"), ",")
        if same:
            out.show(Sheet("Labels of exported ensembles, against those of the engine", counts, same))
        if not table:
            return
        out.note(said)
        columns = {"ensemble": "<", "members": "", "bytes": ",", "MACs": ",", "test error": ".2%"}
        columns |= {f"ms for {batch}, {how}": "<" for batch in BATCHES for how in ("onnxruntime", "torch")}
        out.show(Sheet("Files and times, with 95 % intervals; torch computes the logits only", columns, table))


if __name__ == "__main__":
    main()
