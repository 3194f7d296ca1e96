"""Files of predictions: what is read is what was stored, and whatever is wrong is one kind of error."""

import io
import os
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from oracles import splitting

from evo_ensyth import workspace
from evo_ensyth.errors import InputError
from evo_ensyth.io import read_predictions
from evo_ensyth.io.formats import _npz_file as npz_file
from evo_ensyth.pool import memory
from evo_ensyth.pool.classes import LabelCodes

LABELS = np.array([[0, 1, 2, 1, 0, 1], [2, 1, 2, 0, 0, 1], [0, 0, 2, 1, 0, 2]])
TRUTH = np.array([0, 1, 1, 1, 0, 2])
SCORES = np.array([[[0.1, 0.8, 0.1], [0.5, 0.5, 0.0], [0.0, 0.4, 0.4], [0.0, 0.0, 0.0]]] * 2)
SCORES_SAY = [[1, 0, 1, 0]] * 2


# --- What is read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uint8", "int8", "<i8", ">i4", "uint64", "float16", "float32", ">f8", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [False, True])
def test_labels_come_back_as_they_were_stored(npz, kind, order, compressed):
    stored = {"search_labels": LABELS.astype(kind, order=order), "search_truth": TRUTH.astype(kind)}
    read = read_predictions(npz(stored, compressed=compressed))
    assert read.search.y_pred.tolist() == LABELS.tolist()
    assert read.search.y_true.tolist() == TRUTH.tolist()
    assert (read.search.n_classes, read.search.split) == (3, "search")
    assert read.test is None
    assert "test_samples" not in read.source


@pytest.mark.parametrize("kind", ["float16", "float32", ">f8", "int32", "uint8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_of_scores_the_highest_counts_and_ties_go_to_the_lowest_class(npz, kind, order):
    scores = (SCORES * 10).astype(kind, order=order)
    read = read_predictions(npz({"search_scores": scores, "search_truth": TRUTH[:4]}))
    assert read.search.y_pred.tolist() == SCORES_SAY


def test_scores_bring_classes_that_no_label_names(npz):
    scores = np.concatenate([SCORES, np.zeros((2, 4, 7))], axis=2)
    assert read_predictions(npz({"search_scores": scores, "search_truth": TRUTH[:4]})).search.n_classes == 10


def test_where_labels_and_scores_are_both_there_the_labels_vote(npz):
    stored = {"search_labels": LABELS[:2, :4], "search_scores": SCORES, "search_truth": TRUTH[:4]}
    assert read_predictions(npz(stored)).search.y_pred.tolist() == LABELS[:2, :4].tolist()


def test_both_splits_have_the_classes_of_either(npz):
    stored = {
        "search_labels": LABELS[:, :3], "search_truth": TRUTH[:3],
        "test_labels": LABELS[:, 3:] + 300, "test_truth": TRUTH[3:],
    }  # fmt: skip
    read = read_predictions(npz(stored))
    assert read.search.classes == read.test.classes == (0, 1, 2, 300, 301, 302)
    assert read.test.y_pred.tolist() == (LABELS[:, 3:] + 3).tolist()
    assert read.test.split == "test"


@pytest.mark.parametrize("seed", [0, 1, 2**70])
@pytest.mark.parametrize("share", [0.5, 0.3, 0.25, 0.0])
def test_a_file_without_splits_is_split_by_the_documented_rule(npz, seed, share):
    rng = np.random.default_rng(5)
    labels, truth = rng.integers(0, 4, (3, 41)), rng.integers(0, 4, 41)
    read = read_predictions(npz({"labels": labels, "truth": truth}), test_share=share, split_seed=seed)
    test = splitting.stratified(truth, share, seed)
    rest = sorted(set(range(41)) - set(test))
    assert read.source["test_samples"] == test
    assert read.search.y_pred.tolist() == labels[:, rest].tolist()
    assert read.search.y_true.tolist() == truth[rest].tolist()
    if share:
        assert read.test.y_pred.tolist() == labels[:, test].tolist()
        assert read.test.y_true.tolist() == truth[test].tolist()
    else:
        assert read.test is None


def test_names_and_costs_belong_to_the_members(npz):
    stored = {
        "labels": LABELS, "truth": TRUTH, "names": np.array(["x", "y", "z"]),
        "cost_ms": np.array([1.5, 2, 3]), "cost_größe": np.array([1, 2, 3], np.uint8),
    }  # fmt: skip
    pool = read_predictions(npz(stored))
    assert pool.names == ("x", "y", "z")
    assert {name: values.tolist() for name, values in pool.costs.items()} == {
        "ms": [1.5, 2.0, 3.0],
        "größe": [1, 2, 3],
    }


def test_what_members_share_and_the_parent_are_read(npz):
    parent = {"parent": TRUTH[::-1], "parent_cost_ms": np.array(7, np.uint8)}
    read = read_predictions(npz({**PARTED, **parent}))
    assert [(part.members.tolist(), dict(part.costs)) for part in read.shared] == [
        ([True, True, False], {"ms": 1}),
        ([True, True, True], {"ms": 1}),
    ]
    assert read.parent.costs == {"ms": 7.0}
    rest = [i for i in range(6) if i not in read.source["test_samples"]]
    assert read.parent.y_pred["search"].tolist() == TRUTH[::-1][rest].tolist()
    assert read.parent.y_pred["test"].tolist() == TRUTH[::-1][read.source["test_samples"]].tolist()
    # Two members with everything in common: 2 + 3, less what both have.
    problem = workspace.load_problem(str(npz({**PARTED, **parent})))
    ensembles = problem.on_search(np.array([[True, True, False], [True, False, True], [False, False, True]]))
    assert ensembles.total("ms").tolist() == [3, 5, 4]
    assert problem.pool.parent.costs == {"ms": 7.0}


def test_members_without_names_are_numbered_so_that_they_sort(npz):
    pool = read_predictions(npz({"labels": np.zeros((11, 4), int), "truth": np.zeros(4, int)}))
    assert (pool.names[0], pool.names[10]) == ("member-00", "member-10")
    assert list(pool.names) == sorted(pool.names)


@pytest.mark.parametrize(
    ("stored", "names"),
    [
        (np.array([b"x", "ü".encode(), b"z"]), ("x", "ü", "z")),
        (np.array([3, 1, 2]), ("3", "1", "2")),
        (np.array(["=1+1", "[red]", "<b>$x$`|"]), ("=1+1", "[red]", "<b>$x$`|")),
        (np.array(["x" * 5000, "模型", "🦀 crab"]), ("x" * 5000, "模型", "🦀 crab")),
        (np.array(["x", "y", "z"]).astype(">U1"), ("x", "y", "z")),
    ],
)
def test_a_name_may_be_any_text_that_can_be_printed(npz, stored, names):
    assert read_predictions(npz({"labels": LABELS, "truth": TRUTH, "names": stored})).names == names


def test_the_real_pools_are_read_as_numpy_reads_them(real_pools):
    for path in sorted(real_pools.glob("*.npz")):
        read = read_predictions(path)
        with np.load(path) as file:
            if "truth" in file:
                labels = file["labels"] if "labels" in file else file["scores"].argmax(axis=2)
                rest = np.setdiff1d(np.arange(file["truth"].size), read.source["test_samples"])
                expected = {"search": (labels[:, rest], file["truth"][rest])}
                expected["test"] = labels[:, read.source["test_samples"]], file["truth"][read.source["test_samples"]]
            else:
                expected = {s: (file[f"{s}_labels"], file[f"{s}_truth"]) for s in ("search", "test")}
            assert read.names == tuple(file["names"].tolist())
        for votes in (read.search, read.test):
            np.testing.assert_array_equal(votes.y_pred, expected[votes.split][0])
            np.testing.assert_array_equal(votes.y_true, expected[votes.split][1])


# --- What is refused -----------------------------------------------------------------------------------------------

SPLIT = {"search_labels": LABELS, "search_truth": TRUTH, "test_labels": LABELS, "test_truth": TRUTH}
WHOLE = {"labels": LABELS, "truth": TRUTH}
OWNERS = np.array([[1, 1, 0], [1, 1, 1]])
PARTED = {**WHOLE, "cost_ms": np.array([2, 3, 4]), "shared_members": OWNERS, "shared_cost_ms": np.array([1, 1])}
WRONG: dict[str, tuple[dict, str]] = {
    "nothing": ({}, "no 'search_labels', 'search_scores', 'labels' or 'scores'; found nothing"),
    "other keys": ({"x": TRUTH}, "no 'search_labels'.*; found x"),
    "no labels": ({"search_truth": TRUTH}, "no 'search_labels' and no 'search_scores'"),
    "no truth": ({"labels": LABELS}, "no 'truth'; found labels"),
    "no search truth": ({"search_labels": LABELS}, "no 'search_truth'"),
    "no test truth": ({**SPLIT, "test_truth": None}, "no 'test_truth'"),
    "no test labels": ({**SPLIT, "test_labels": None}, "no 'test_labels' and no 'test_scores'"),
    "a test split alone": ({**WHOLE, "test_labels": LABELS}, "'test_' keys without 'search_' keys"),
    "labels of one dimension": ({**WHOLE, "labels": TRUTH}, r"'labels' has shape \(6,\); expected \(n_members, n_sam"),
    "truth of two": ({**WHOLE, "truth": LABELS}, r"'truth' has shape \(3, 6\); expected \(n_samples,\)"),
    "short truth": ({**WHOLE, "truth": TRUTH[:5]}, r"'truth' has shape \(5,\); 'labels' answers 6 samples, so \(6,\)"),
    "scores of two": ({"scores": LABELS, "truth": TRUTH}, "'scores' of member 0 has one column of scores, the chance"),
    "scores as text": ({"scores": SCORES.astype(str), "truth": TRUTH}, "'scores' has shape .* type <U"),
    "no class": ({"scores": SCORES[..., :0], "truth": TRUTH}, "'scores' has 0 classes; from 1 to 65536 fit"),
    "some NaN": (
        {"scores": np.where(SCORES == 0.8, np.nan, SCORES), "truth": TRUTH},
        "'scores' of member 0 lack 1 of 3 scores for sample 0; give all of them, or none where there is no answer",
    ),
    "NaN": (
        {"scores": SCORES * np.nan, "truth": TRUTH[:4]},
        "member 'member-0' has no answer for search sample 1; .* Choose what to do with --missing",
    ),
    "infinity": (
        {"scores": np.where(SCORES == 0.8, np.inf, SCORES), "truth": TRUTH},
        "'scores' is inf for member 0, sample 0, class 1: not finite",
    ),
    "negative scores": (
        {"scores": np.where(SCORES == 0.8, -0.5, SCORES), "truth": TRUTH},
        "'scores' is -0.5 for member 0, sample 0, class 1: negative",
    ),
    "scores that disagree": (
        {**WHOLE, "scores": SCORES},
        r"'labels' has shape \(3, 6\), 'scores' begins with \(2, 4\)",
    ),
    "fractions": (
        {**WHOLE, "labels": LABELS + 0.5},
        r"'labels' of member 0 holds 0.5 \(sample 0\); class labels are whole numbers, booleans or text",
    ),
    "NaN labels": ({**WHOLE, "truth": TRUTH * np.nan}, r"'truth' has no value for sample 0; every sample needs one"),
    "empty labels": ({**WHOLE, "truth": np.array(["a", "", *"abab"])}, "'truth' has no value for sample 1"),
    "too many classes": (
        {"labels": np.arange(3 * 30_000).reshape(3, -1), "truth": np.zeros(30_000, int)},
        "'labels' of member 2 brings the number of classes to 90,000, and 65,536 fit; is it an id",
    ),
    "huge labels": ({**WHOLE, "truth": TRUTH.astype(float) * 1e300}, r"'truth' holds 1e\+300 \(sample 1\)"),
    "dates": (
        {**WHOLE, "labels": LABELS.astype("M8[D]")},
        "'labels' of member 0 has type datetime64.*; class labels are",
    ),
    "no member": ({**WHOLE, "labels": LABELS[:0]}, "'labels' holds no member: the pool is empty"),
    "no scored member": ({"scores": SCORES[:0], "truth": TRUTH[:4]}, "'scores' holds no member: the pool is empty"),
    "no sample": ({"labels": LABELS[:, :0], "truth": TRUTH[:0]}, "'truth' has no sample"),
    "no scored sample": ({"scores": SCORES[:, :0], "truth": TRUTH[:0]}, "'scores' has no sample"),
    "one sample": ({"search_labels": LABELS[:, :1], "search_truth": TRUTH[:1]}, "n_samples of the search split is 1"),
    "one sample, to be split": ({"labels": LABELS[:, :1], "truth": TRUTH[:1]}, "n_samples of the search split is 1"),
    "one sample each": ({"labels": LABELS[:, :2], "truth": TRUTH[:2]}, "n_samples of the search split is 1"),
    "one test sample": (
        {**SPLIT, "test_labels": LABELS[:, :1], "test_truth": TRUTH[:1]},
        "n_samples of the test split is 1",
    ),
    "other members": ({**SPLIT, "test_labels": LABELS[:2]}, "'test_' holds 2 members, 'search_' holds 3"),
    "few names": ({**WHOLE, "names": np.array(["x"])}, r"'names' has shape \(1,\), .*; expected \(3,\) text"),
    "fractions as names": ({**WHOLE, "names": np.zeros(3)}, "'names' has shape .* type float64; expected"),
    "a name twice": ({**WHOLE, "names": np.array(["x", "y", "x"])}, "two members are called 'x'"),
    "no name": ({**WHOLE, "names": np.array(["x", "", "z"])}, "'names' calls member 1 ''; use printable text"),
    "a blank": ({**WHOLE, "names": np.array(["x", " ", "z"])}, "'names' calls member 1 ' '; use printable text"),
    "an escape": ({**WHOLE, "names": np.array(["x", "\x1b[31m", "z"])}, r"'names' calls member 1 '\\x1b\[31m'"),
    "a new line": ({**WHOLE, "names": np.array(["x", "y\n", "z"])}, r"'names' calls member 1 'y\\n'"),
    "right to left": ({**WHOLE, "names": np.array(["x", "\u202ey", "z"])}, "'names' calls member 1"),
    "half a character": ({**WHOLE, "names": np.array(["x", "\ud800", "z"])}, "'names' calls member 1"),
    "no UTF-8": ({**WHOLE, "names": np.array([b"x", b"\xff", b"z"])}, "'names' holds entries that are not text"),
    "no Unicode": (
        {**WHOLE, "names": np.array([1, 2, 0x110000], "<u4").view("<U1")},
        "'names' holds entries that are not text",
    ),
    "a short cost": ({**WHOLE, "cost_ms": np.ones(2)}, r"cost 'ms' has shape \(2,\); the pool needs \(3,\)"),
    "a square cost": ({**WHOLE, "cost_ms": np.ones((3, 1))}, r"cost 'ms' has shape \(3, 1\)"),
    "a NaN cost": ({**WHOLE, "cost_ms": np.array([1, np.nan, 1])}, "cost 'ms' is nan for member 1; it must be finite"),
    "an infinite cost": ({**WHOLE, "cost_ms": np.array([1, 1, -np.inf])}, "cost 'ms' is -inf for member 2"),
    "a cost in words": ({**WHOLE, "cost_ms": np.array(["1", "2", "3"])}, "cost 'ms' has type <U1"),
    "a cost called error": ({**WHOLE, "cost_error": np.ones(3)}, "'cost_error' cannot be a cost"),
    "a cost without a name": ({**WHOLE, "cost_": np.ones(3)}, "'cost_' cannot be a cost"),
    "a cost that is no word": ({**WHOLE, "cost_a b": np.ones(3)}, "'cost_a b' cannot be a cost"),
    "shared by nobody": ({**PARTED, "shared_members": None}, "'shared_cost_ms' but no 'shared_members'"),
    "shared by other members": ({**PARTED, "shared_members": OWNERS[:, :2]}, r"shape \(2, 2\) .*\(n_parts, 3\)"),
    "one shared part": ({**PARTED, "shared_members": OWNERS[0]}, r"'shared_members' has shape \(3,\)"),
    "shared by halves": ({**PARTED, "shared_members": OWNERS / 2}, "'shared_members' has .* type float64"),
    "shared twice": ({**PARTED, "shared_members": OWNERS * 2}, "'shared_members' must hold zeros and ones"),
    "shared by one": ({**PARTED, "shared_members": np.eye(3, dtype=int)[:2]}, "and name two members or more"),
    "a shared cost that nobody has": ({**PARTED, "shared_cost_s": np.ones(2)}, "'shared_cost_s' but no 'cost_s'"),
    "shared costs of other parts": ({**PARTED, "shared_cost_ms": np.ones(3)}, r"'shared_cost_ms' has shape \(3,\)"),
    "a negative part": (
        {**PARTED, "shared_cost_ms": np.array([1, -1])},
        "'shared_cost_ms' holds what cannot be shared",
    ),
    "a part that is NaN": ({**PARTED, "shared_cost_ms": np.array([1, np.nan])}, "holds what cannot be shared"),
    "more shared than there is": ({**PARTED, "shared_cost_ms": np.array([1.5, 1])}, "or more than there is"),
    "parts beyond all numbers": ({**PARTED, "shared_cost_ms": np.full(2, 2**62)}, "or more than there is"),
    "a short parent": ({**WHOLE, "parent": TRUTH[:5]}, r"'parent' has shape \(5,\), 'truth' \(6,\)"),
    "half a parent": ({**SPLIT, "search_parent": TRUTH}, "one split has parent and the other has none; give 'search_p"),
    "half a parent's labels": ({**WHOLE, "parent": np.array([*"01012", ""])}, "'parent' has no value for sample 5"),
    "a parent without answers": ({**PARTED, "parent_cost_ms": np.array(1)}, "a parent whose answers are missing"),
    "a parent's cost alone": ({**WHOLE, "parent": TRUTH, "parent_cost_ms": np.array(1)}, "but no 'cost_ms'"),
    "a parent of two costs": ({**PARTED, "parent": TRUTH, "parent_cost_ms": np.ones(2)}, "expected one finite number"),
    "a parent of no cost": ({**PARTED, "parent": TRUTH, "parent_cost_ms": np.array(np.nan)}, "expected one finite"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_file_is_said_in_one_line_that_names_it(npz, what):
    arrays, message = WRONG[what]
    path = npz({key: values for key, values in arrays.items() if values is not None})
    with pytest.raises(InputError, match=message) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_share": 1.0}, "the test share is 1; it must be at least 0 and below 1"),
        ({"test_share": -0.1}, "the test share is -0.1"),
        ({"test_share": float("nan")}, "the test share is nan"),
        ({"test_share": 0.9}, "n_samples of the search split is 1"),
        ({"test_share": 0.95}, "n_samples of the search split is 0"),
        ({"split_seed": -1}, "the seed of the split is -1; it must be 0 or more"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(npz, options, message):
    with pytest.raises(InputError, match=message):
        read_predictions(npz(WHOLE), **options)


class Bomb:
    """Tells when somebody unpickles it."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self):
        return os.mkdir, (str(self.sentinel),)


@pytest.mark.parametrize("key", ["labels", "scores", "truth", "names", "cost_ms"])
def test_pickled_objects_are_never_loaded(npz, tmp_path, key):
    sentinel = tmp_path / "unpickled"
    shape = {"labels": LABELS.shape, "scores": (3, 6, 2)}.get(key, (6,) if key == "truth" else (3,))
    bombs = np.empty(shape, object)
    bombs[...] = Bomb(sentinel)
    with pytest.raises(InputError, match=f"'{key}' holds pickled objects, which are never loaded"):
        read_predictions(npz({**WHOLE, key: bombs}))
    assert not sentinel.exists()
    with np.load(npz({key: bombs}), allow_pickle=True) as file:
        file[key]
    assert sentinel.exists(), "the bomb is none, so this test has shown nothing"


def test_what_is_no_npz_file_is_refused(npz, tmp_path):
    def refused(path: Path, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            read_predictions(path)
        assert str(path) in str(caught.value)

    refused(tmp_path / "none.npz", "does not exist")
    refused(tmp_path, "is not a regular file")
    (tmp_path / "text.npz").write_text("labels: 1 2 3\n")
    refused(tmp_path / "text.npz", "is not a complete .npz file")
    (tmp_path / "empty.npz").write_bytes(b"")
    refused(tmp_path / "empty.npz", "is not a complete .npz file")
    np.save(tmp_path / "labels.npy", LABELS)
    refused(tmp_path / "labels.npy", r"has the suffix '\.npy'; files of predictions have .*\.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    refused(tmp_path / "pipe.npz", "is not a regular file")
    with zipfile.ZipFile(tmp_path / "texts.npz", "w") as file:
        file.writestr("labels.npy", "no array")
    refused(tmp_path / "texts.npz", "'labels' has no header of an array")


@pytest.mark.slow
def test_a_file_cut_off_at_any_byte_is_refused(npz, tmp_path):
    content = npz({"labels": LABELS.astype(np.uint8), "truth": TRUTH.astype(np.uint8)}).read_bytes()
    path = tmp_path / "cut.npz"
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"cut\.npz"):
            read_predictions(path)


# --- Files that lie ------------------------------------------------------------------------------------------------


def npy(header: str, content: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """Array file with a header of one's own."""
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + content


def described(shape: object, kind: str = "|u1", column_major: bool = False) -> str:
    return repr({"descr": kind, "fortran_order": column_major, "shape": shape})


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[..., Path]:
    def zipped(arrays: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
        path = tmp_path / "made.npz"
        with zipfile.ZipFile(path, "w", compression) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile warns of names that stand twice
            for name, content in arrays:
                file.writestr(name, content)
        return path

    return zipped


def stored(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


TRUTH_ENTRY = ("truth.npy", stored(TRUTH))
LYING_HEADERS = {
    "promises more": (npy(described((3, 6)), bytes(17)), "'labels' is cut off: 5 of 6 bytes"),
    "promises less": (npy(described((3, 6)), bytes(19)), "'labels' holds more than its header says"),
    "promises terabytes": (npy(described((2**22, 2**22)), bytes(18)), "'labels' would take 17,592,186.0 MB in a file"),
    "promises terabytes by columns": (npy(described((2**22, 2**22), "|u1", True)), "'labels' would take 16,384.0 GiB"),
    "overflows": (npy(described((2**62, 2**62), "<f8"), bytes(18)), "no such array exists"),
    "overflows with nothing": (npy(described((10**19, 0))), "no such array exists"),
    "members of nothing": (npy(described((10**17, 0))), "'truth' has shape"),
    "samples of nothing": (npy(described((0, 10**17))), "'labels' holds no member"),
    "a negative shape": (npy(described((-1, 6)), bytes(18)), "no such array exists"),
    "truth values as shape": (npy(described((True, 6)), bytes(6)), "no such array exists"),
    "text without length": (npy(described((10**18,), "<U0")), "no such array exists"),
    "a record": (npy(described((3, 6), [("a", "|u1")]), bytes(18)), "labels are whole numbers"),
    "a record with objects": (npy(described((3, 6), [("a", "|O")]), bytes(18)), "holds pickled objects"),
    "a header that is no dictionary": (npy("[1, 2]", bytes(18)), "has no header of an array"),
    "a header that is code": (npy("__import__('os').abort()", bytes(18)), "has no header of an array"),
    "a header of Python 2": (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3L, 6L)}", bytes(18)), None),
    "a deep header": (npy("(" * 9_000 + ")" * 900), "has no header of an array"),
    "an endless header": (npy(" " * 200_000, version=(2, 0)), "has no header of an array"),
    "an unknown version": (npy(described((3, 6)), bytes(18), version=(9, 9)), "has no header of an array"),
    "a later version": (npy(described((3, 6)), bytes(18), version=(3, 0)), None),
    "nothing": (b"", "has no header of an array"),
}


@pytest.mark.parametrize("what", LYING_HEADERS)
def test_a_header_is_not_believed(zipped, what):
    content, message = LYING_HEADERS[what]
    path = zipped([("labels.npy", content), TRUTH_ENTRY])
    if message is None:
        assert read_predictions(path).search.y_pred.tolist() == [[0] * 3] * 3
        return
    with pytest.raises(InputError, match=message):
        read_predictions(path)


@pytest.mark.parametrize(
    "shape", [(10**17, 0, 3), (10**19, 0, 3), (10**9, 10**9, 3), (2**31, 2**31, 1), (3, 4, 10**6), (3, -4, 2)]
)
@pytest.mark.parametrize("column_major", [False, True])
def test_neither_are_those_of_scores(zipped, shape, column_major):
    content = npy(described(shape, "<f4", column_major), bytes(96))
    with pytest.raises(InputError, match="'scores'"):
        read_predictions(zipped([("scores.npy", content), TRUTH_ENTRY]))


def test_labels_larger_than_memory_and_disk_are_refused_before_they_are_unpacked(zipped, monkeypatch):
    """A zip bomb is honest: there is as much as its header says."""
    monkeypatch.setattr(memory, "is_large", lambda size: size > 100_000)
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda folder: SimpleNamespace(free=250_000))
    fits, too_large = (
        [("labels.npy", stored(np.zeros((3, n), np.uint8))), ("truth.npy", stored(np.zeros(n, np.uint8)))]
        for n in (80_000, 100_000)
    )
    read_predictions(zipped(fits, zipfile.ZIP_DEFLATED))
    monkeypatch.setattr(LabelCodes, "add", lambda *rest, **named: pytest.fail("it was unpacked"))
    with pytest.raises(InputError, match=r"'labels' would take 0\.3 MB in a file in /.*, where 0\.2 are free"):
        read_predictions(zipped(too_large, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(("kind", "is_refused"), [("u1", True), ("i8", False)])
def test_a_small_file_of_very_many_equal_labels_is_refused_before_it_is_unpacked(npz, monkeypatch, kind, is_refused):
    """Of 3 MB, two members with 10^9 labels each took 8 GB and half a minute."""
    truth = np.zeros(200_000, kind)
    truth[::50_000] = 1
    path = npz({"labels": np.stack([truth, 1 - truth]), "truth": truth}, compressed=True)
    monkeypatch.setattr(npz_file, "MOST_VALUES", 100_000)
    if not is_refused:
        assert read_predictions(path).search.n_samples == 100_000
        return
    monkeypatch.setattr(npz_file.Stream, "take", lambda self, shape: pytest.fail("it was unpacked"))
    with pytest.raises(InputError, match=r"'labels' holds 400,000 values in \d{3} bytes: nearly all .*savez\."):
        read_predictions(path)
    monkeypatch.undo()
    with np.load(path) as file:
        assert read_predictions(npz(dict(file))).search.n_samples == 100_000


@pytest.mark.parametrize("names", [("labels.npy", "labels.npy"), ("labels.npy", "labels"), ("truth", "truth.npy")])
def test_an_array_that_stands_twice_is_refused(zipped, names):
    content = {"labels": stored(LABELS), "truth": stored(TRUTH)}
    arrays = [(name, content[name.removesuffix(".npy")]) for name in ("labels.npy", "truth.npy", *names)]
    with pytest.raises(InputError, match=rf"made\.npz holds '{names[0].removesuffix('.npy')}' twice"):
        read_predictions(zipped(arrays))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_unpacks_without_bounds_is_refused(zipped, compression):
    """Some 1,400 bytes in bzip2, whose header promised 18, took 3 GB before anyone counted them."""
    bomb = npy(described((3, 6)), bytes(2**24))
    path = zipped([("labels.npy", bomb), TRUTH_ENTRY], compression)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="'labels' is packed in a way that numpy never uses"):
            read_predictions(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_arrays_that_claim_too_few_bytes_are_refused_and_too_many_change_no_vote(zipped):
    path = zipped([("labels.npy", stored(LABELS)), TRUTH_ENTRY])
    content, reference = path.read_bytes(), read_predictions(path)
    central, length = content.index(b"PK\x01\x02"), len(stored(LABELS))
    for place in (20, 24):  # packed and unpacked size of the first file in the directory
        for size in (0, 1, 127, length - 1, length + 1, 2**31, 2**32 - 1):
            lie = bytearray(content)
            lie[central + place : central + place + 4] = struct.pack("<I", size)
            path.write_bytes(lie)
            if not same(path, reference):
                # newer Pythons refuse a file that claims to be packed into the next one
                assert size < length or place == 20, (place, size)
            else:
                assert size > length, (place, size)


def same(path: Path, reference) -> bool:
    """Whether a file is read; if so, with the same votes, save for a split that got lost with its arrays."""
    try:
        read = read_predictions(path)
    except InputError:
        return False
    np.testing.assert_array_equal(read.search.y_pred, reference.search.y_pred)
    np.testing.assert_array_equal(read.search.y_true, reference.search.y_true)
    if read.test is not None:
        np.testing.assert_array_equal(read.test.y_pred, reference.test.y_pred)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_changed_byte_is_noticed_or_changes_no_vote(zipped, arrays, compression):
    path = zipped([(f"{key}.npy", stored(values)) for key, values in arrays.items()], compression)
    content, reference = path.read_bytes(), read_predictions(path)
    rng = np.random.default_rng(7)
    n_read = 0
    for _ in range(250):
        changed = bytearray(content)
        # Half of the places are in the directory at the end, where there is most to go wrong.
        place = int(rng.integers(rng.choice([0, content.index(b"PK\x01\x02")]), len(content)))
        changed[place] = int(rng.integers(256))
        path.write_bytes(changed)
        n_read += same(path, reference)
    assert 0 < n_read < 250


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("key", ["labels", "scores"])
def test_damage_far_behind_the_header_is_noticed(zipped, compression, key):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 9_000).astype(np.uint8)
    values = rng.integers(0, 256, (2, 9_000, 2)).astype(np.uint8)
    array = (f"{key}.npy", stored(values if key == "scores" else values[..., 0]))
    path = zipped([array, ("truth.npy", stored(truth))], compression)
    read_predictions(path)
    content = path.read_bytes()
    for place in rng.integers(6_000, 16_000, 8).tolist():
        changed = bytearray(content)
        changed[place] ^= 0x55
        path.write_bytes(changed)
        with pytest.raises(InputError, match=rf"made\.npz: '{key}' "):
            read_predictions(path)


def test_scores_that_go_on_behind_their_end_are_refused(zipped):
    longer = stored(SCORES) + bytes(8)
    with pytest.raises(InputError, match="'scores' holds more than its header says"):
        read_predictions(zipped([("scores.npy", longer), TRUTH_ENTRY]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_changed_byte_with_a_good_checksum_gives_an_error_or_votes(zipped, seed):
    """Here the zip file is whole, so that the changed bytes reach the reader of arrays."""
    rng = np.random.default_rng(seed)
    parts = {
        "labels.npy": stored(LABELS.astype([np.uint8, ">i4", np.float16, np.float64][seed])),
        "truth.npy": stored(TRUTH),
        "scores.npy": stored(rng.random((3, 6, 3)).astype(np.float32, order="CF"[seed % 2])),
        "names.npy": stored(np.array(["x", "y", "z"])),
        "cost_ms.npy": stored(np.ones(3)),
    }
    read, refused = 0, 0
    for _ in range(200):
        name = str(rng.choice(list(parts)))
        changed = bytearray(parts[name])
        for _ in range(rng.integers(1, 4)):
            changed[int(rng.integers(len(changed)))] = int(rng.integers(256))
        path = zipped(
            [*((other, content) for other, content in parts.items() if other != name), (name, bytes(changed))]
        )
        try:
            found = read_predictions(path)
        except InputError:
            refused += 1
        else:
            read += 1
            assert len(found) == found.search.n_members == found.test.n_members
            assert all(np.isfinite(values).all() for values in found.costs.values())
    assert read
    assert refused


# --- Edges that work -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("highest", "kind"), [(255, "uint8"), (256, "uint16"), (65_535, "uint16")])
def test_labels_need_not_fit_into_one_byte(npz, highest, kind):
    labels = np.tile(np.arange(highest + 1), (2, 1))
    read = read_predictions(npz({"labels": labels, "truth": labels[0]}), test_share=0)
    assert read.search.n_classes == highest + 1
    assert read.search.y_pred.dtype == kind
    assert read.search.y_pred.tolist() == labels.tolist()


def test_a_class_that_only_members_name_is_an_abstention(npz):
    labels = np.where(LABELS == 2, 9, LABELS)
    read = read_predictions(npz({"labels": labels, "truth": np.minimum(TRUTH, 1)}), test_share=0)
    assert read.search.classes == (0, 1, 9)
    assert read.notes == ("Class 9: predicted by some members, and never true.",)
    assert read.search.member_errors.tolist() == [
        int(np.count_nonzero(row != np.minimum(TRUTH, 1))) for row in labels.tolist()
    ]


def test_labels_are_never_held_as_wide_as_they_lie_in_the_file(npz):
    """64-bit labels of a thousand members and 50,000 samples, the usual type, took 900 MB to read."""
    labels = np.tile(np.arange(2_000) % 7, (500, 1))
    path = npz({"labels": labels, "truth": labels[0]})
    tracemalloc.start()
    try:
        found = read_predictions(path, test_share=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found.search.y_pred, labels)
    assert peak < labels.nbytes
