"""From an ensemble of a run to one file that votes: whole, checked and verified, or not there at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evo_ensyth import workspace
from evo_ensyth.deployment.card import card_of, described_inputs, metadata
from evo_ensyth.deployment.model_folder import write_model_folder
from evo_ensyth.deployment.verify import Verification, dataset_inputs, read_inputs, verified
from evo_ensyth.errors import InputError, onnx_extra
from evo_ensyth.files import check_new_folder, write_whole
from evo_ensyth.io import StoredPool
from evo_ensyth.io.pool_folder import read_pool
from evo_ensyth.io.run_folder import read_run
from evo_ensyth.plugins import unknown
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.pick import pick_in_words
from evo_ensyth.results.run import Run
from evo_ensyth.synthesis import datasets
from evo_ensyth.voting import EnsembleVote, plain_plurality

FORMS = ("onnx", "folder")

if TYPE_CHECKING:
    from evo_ensyth.deployment.member_graph import MemberGraph


def export(
    run: Run | str | Path,
    path: str | Path,
    *,
    to: str = "onnx",
    size: int | None = None,
    at_most: Mapping[str, float] | None = None,
    rule: str | None = None,
    pool: Pool | str | Path | None = None,
    members: Mapping[str, Any] | None = None,
    inputs: Any = None,
    weights: str = "packed",
    opset: int = 21,
    allow_different: int = 0,
    trust: bool = False,
) -> Verification:
    """Write one ONNX file that holds the members of an ensemble, prepares what they see, and votes.

    The file is checked, loaded into onnxruntime and run on every sample of the test split before it gets its name.

    Parameters
    ----------
    run : Run, or folder of a run
    path : str or Path
        A new file, ``NAME.onnx``, or a new folder.
    to : str
        ``onnx`` for one file, or ``folder`` for a folder with the file, its card, the members' weights and a README in
        the form that hubs of models read.
    size, at_most, rule
        Which ensemble of the front, as for `Run.pick`; by default the recommended one.
    pool : Pool, or a pool folder, a file of predictions or the name of a problem, optional
        What the run searched. By default the pool beside the run's folder, or that of the run's problem.
    members : mapping of name to ``.onnx`` file, torch module or fitted estimator, optional
        Members that this package did not make. Modules give logits or probabilities.
    inputs : array, or path of a ``.npy`` file, optional
        What the members see, of every sample of the test split in its order: (n_samples, ...). By default that of the
        data set the pool was built for. Without a test split, of the search split.
    weights : str
        ``packed`` for a small file, ``plain`` for float32 numbers, ``qdq`` for accelerators that know it.
    opset : int
        Version of the operators, from 18 to 25.
    allow_different : int
        Labels that may differ from those of the run.
    trust : bool
        Import and call what the pool names, which networks of your own need; see `synthesis.load_member`.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        Members, samples or a library are missing or do not fit; the pool names code that is not trusted; the file
        exists; or labels differ.

    Examples
    --------
    >>> import evo_ensyth as ee
    >>> ee.export("runs/digits/nsga2-seed1", "digits.onnx").n_differing  # doctest: +SKIP
    0
    """
    path = Path(path)
    if to not in FORMS:
        raise unknown("form", to, FORMS)
    (check_new_model if to == "onnx" else check_new_folder)(path)
    run = run if isinstance(run, Run) else read_run(run)
    ensemble = run.pick(size=size, at_most=at_most, rule=rule)
    handed = replace(_handed(run, ensemble, pool, inputs), trust=trust)
    picked_by = pick_in_words(size=size, at_most=at_most, rule=rule)
    return write_model(
        handed,
        path,
        members or {},
        to=to,
        picked_by=picked_by,
        weights=weights,
        opset=opset,
        allow_different=allow_different,
    )


@dataclass(frozen=True)
class HandOver:
    """What is handed over, and the samples to verify it on.

    Attributes
    ----------
    run : Run
    ensemble : Ensemble
        One of its front.
    pool : Pool
        That the members are from; the file gives its classes.
    votes : Votes
        What the members of the ensemble predicted for the samples, on the test split where there is one.
    inputs : ndarray, (n_samples, ...)
        The samples.
    stored : StoredPool, optional
        Where this package's networks lie.
    dataset : str, optional
        The data set of this package that the samples are from.
    trust : bool
        Whether code that the stored pool names may run.
    """

    run: Run
    ensemble: Ensemble
    pool: Pool
    votes: Votes
    inputs: np.ndarray
    stored: StoredPool | None = None
    dataset: str | None = None
    trust: bool = False

    @property
    def class_names(self) -> Sequence[Any]:
        """Names of the classes: those of the data set, or those of the pool."""
        if self.dataset is None:
            return self.pool.classes
        names = datasets.load(self.dataset).classes
        return names if len(names) == len(self.pool.classes) else self.pool.classes

    @property
    def expected(self) -> np.ndarray:
        """Places of the labels that the ensemble gives: (n_samples,)."""
        return self.vote.predict(self.votes)

    @property
    def vote(self) -> EnsembleVote:
        """How the members vote."""
        return self.ensemble.voting or plain_plurality(self.ensemble.size)


def write_model(
    handed: HandOver,
    path: Path,
    members: Mapping[str, Any],
    *,
    picked_by: str,
    to: str = "onnx",
    weights: str = "packed",
    opset: int = 21,
    allow_different: int = 0,
) -> Verification:
    """Write the file of what is handed over, once it is checked and verified.

    Parameters
    ----------
    handed : HandOver
    path : Path
        See `check_new_model`.
    picked_by : str
        For the card: the rule by which the ensemble was taken from its front.
    members, to, weights, opset, allow_different
        As for `export`.

    Raises
    ------
    InputError
        As for `export`.
    """
    content = _content(handed, members, picked_by, weights, opset)
    found = verified(content, str(path), handed.inputs)
    if found.n_differing > allow_different:
        raise InputError(
            f"{path} is not written: {found.n_differing} of {found.n_samples:,} labels differ from those of the run, "
            f"the first at sample {found.differing[0]}. Were the members' predictions computed elsewhere? Then "
            f"--allow-different {found.n_differing} (in Python, allow_different=) writes it all the same."
        )
    if to == "onnx":
        write_whole(path, content)
    else:
        write_model_folder(path, content, found.card, _stored_weights(handed, found.card, members))
    return found


def check_new_model(path: Path) -> None:
    """Check that a model can be written to a file of this name.

    Raises
    ------
    InputError
        It does not end with .onnx, is there already, or its folder is not.
    """
    if path.suffix != ".onnx":
        raise InputError(f"{path} does not end with .onnx, by which runtimes know models; name it so.")
    if path.exists():
        raise InputError(f"{path} is there already; remove it, or name another file.")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is no folder; make it, or name another file.")


def _handed(run: Run, ensemble: Ensemble, pool: Pool | str | Path | None, inputs: Any) -> HandOver:
    known, stored = _found_pool(run, pool)
    for name in ensemble.members:
        if name not in known.names:
            raise unknown("member in this pool", name, known.names)
    split = known.test or known.search
    votes = split.part(np.array([known.names.index(name) for name in ensemble.members]))
    dataset = stored.about.get("dataset") if stored and inputs is None else None
    samples = dataset_inputs(dataset) if isinstance(dataset, str) else None
    samples = samples if inputs is None else read_inputs(inputs)
    if samples is None:
        raise InputError(
            f"what the members see is not known here; give it with --inputs, a .npy file with the {votes.n_samples:,} "
            f"samples of the {votes.split} split in their order."
        )
    if len(samples) != votes.n_samples:
        raise InputError(f"there are {len(samples):,} samples; the {votes.split} split has {votes.n_samples:,}.")
    handed = HandOver(run, ensemble, known, votes, samples, stored, dataset)
    _check_same(handed)
    return handed


def _found_pool(run: Run, pool: Pool | str | Path | None) -> tuple[Pool, StoredPool | None]:
    """The pool that a run searched, and where its networks lie, if they do."""
    if isinstance(pool, Pool):
        return pool, None
    if pool is None:
        beside = [Path(run.folder).parent / "pool"] if run.folder else []
        places = [folder for folder in (*beside, workspace.pool_folder(run.problem)) if (folder / "pool.json").exists()]
        if not places:
            raise InputError(
                f"the pool that this run on '{run.problem}' searched is not here; name it with --pool: a pool folder, "
                "a problem, or a file of predictions."
            )
        stored = read_pool(places[0])
        return stored.pool, stored
    if str(pool) in workspace.problem_names() or (Path(pool) / "pool.json").exists():
        stored = workspace.named_pool(str(pool))
        return stored.pool, stored
    how = {name: run.source[name] for name in ("test_share", "split_seed") if name in run.source}
    if run.n_test is None:
        how["test_share"] = 0.0
    return workspace.load_problem(pool, **how).pool, None


def _check_same(handed: HandOver) -> None:
    """Check that the pool is the one that the run searched, as far as its ensemble goes."""
    ensemble, votes = handed.ensemble, handed.votes
    if votes.has_holes:
        raise InputError(f"members have no answer for some samples of the {votes.split} split; a model always answers.")
    found = int(np.count_nonzero(handed.expected != votes.y_true))
    told = ensemble.test_errors if votes.split == "test" else ensemble.search_errors
    if found != told:
        raise InputError(
            f"this is not the pool that the run searched: the ensemble has {found} errors on its {votes.split} split, "
            f"and {told} in the run. Name the pool with --pool."
        )


def _content(handed: HandOver, given: Mapping[str, Any], picked_by: str, weights: str, opset: int) -> bytes:
    """The checked content of the file."""
    with onnx_extra():
        import onnx

        from evo_ensyth.deployment.ensemble_graph import ensemble_graph
        from evo_ensyth.deployment.graph import OPSETS, content_of
        from evo_ensyth.deployment.stored_weights import HOW
        from evo_ensyth.deployment.vote_graph import VoteFactors
    if opset not in OPSETS:
        raise InputError(f"opset is {opset}; from {OPSETS[0]} to {OPSETS[-1]} are known here.")
    if weights not in HOW:
        raise unknown("way to store weights", weights, HOW)
    factors, names = VoteFactors.of(handed.vote), handed.ensemble.members
    for name in given:
        if name not in names:
            raise unknown("member in this ensemble", name, names)
    needed = [i for i in range(len(names)) if factors.label[i] or factors.score[i] or factors.leading]
    graphs = [_graph(handed, names[i], given, opset) for i in needed]
    model = ensemble_graph(
        graphs,
        factors.part(needed),
        handed.pool.classes,
        input_type=handed.inputs.dtype,
        shape=handed.inputs.shape[1:],
        opset=opset,
        weights=weights,
    )
    card = card_of(
        handed.run,
        handed.ensemble,
        picked_by=picked_by,
        labels=handed.pool.classes,
        class_names=handed.class_names,
        members={graph.name: graph.sha256 for graph in graphs},
        origins=dict(zip(handed.pool.names, handed.pool.members.origins, strict=True)),
        inputs=described_inputs(handed.inputs, handed.votes.split, handed.dataset),
        expected=handed.expected,
        form={"weights": weights, "opset": opset},
    )
    model.metadata_props.update(metadata(card))
    content = content_of(model)
    onnx.checker.check_model(content, full_check=True)
    return content


def _stored_weights(handed: HandOver, card: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, bytes]:
    """Weights of the members in the file that this package made, by name."""
    if handed.stored is None:
        return {}
    names = [member["name"] for member in card["members"] if member["name"] not in given]
    folder = handed.stored.folder / "members"
    return {name: (folder / name / "weights.safetensors").read_bytes() for name in names}


def _graph(handed: HandOver, name: str, given: Mapping[str, Any], opset: int) -> "MemberGraph":
    from evo_ensyth.deployment.other_members import Wanted, other_member
    from evo_ensyth.deployment.stored_member import stored_member

    y_pred = handed.votes.y_pred[handed.ensemble.members.index(name)]
    labels = not handed.votes.has_scores
    wanted = Wanted(handed.inputs, handed.pool.classes, opset, labels=labels, y_pred=y_pred)
    if name in given:
        return other_member(name, given[name], wanted)
    if handed.stored is None or not handed.stored.about:
        raise InputError(
            f"the network of member '{name}' is not stored, because this pool came from predictions; give it with "
            f"--member {name}=FILE.onnx."
        )
    return stored_member(handed.stored, name, wanted, trust=handed.trust)
