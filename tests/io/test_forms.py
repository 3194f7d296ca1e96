"""One pool in many forms: every form gives the same votes, and the same front, byte for byte."""

from pathlib import Path

import numpy as np
import pandas
import polars
import pyarrow
import pyarrow.feather
import pytest
from io_folders import write_csv, write_labels_file, write_task
from oracles.votes import random_votes

import evo_ensyth as ee
from evo_ensyth.io.run_folder import write_run
from evo_ensyth.pool import Pool

MEMBERS = ("ant", "bee, b", "cow=1", "d [x]", "e e")
N_SEARCH, N_TEST = 60, 30
LABELS, TRUTH = random_votes(np.random.default_rng(1), len(MEMBERS), N_SEARCH + N_TEST, 2)
NAMES = np.array(["no", "yes"])
CHANCES = np.where(LABELS == 1, 0.5 + 0.4 * np.random.default_rng(2).random(LABELS.shape), 0.3)
SPLIT = np.array(["search"] * N_SEARCH + ["test"] * N_TEST)
SHUFFLED = np.random.default_rng(3).permutation(N_SEARCH + N_TEST)


def wide(labels, truth) -> dict[str, list]:
    columns = {"id": [f"s{i}" for i in range(len(truth))], "truth": truth.tolist(), "split": SPLIT.tolist()}
    return columns | {name: row.tolist() for name, row in zip(MEMBERS, labels, strict=True)}


def npz(path: Path, labels, truth, what: str = "labels", **more) -> Path:
    parts = {"search": slice(None, N_SEARCH), "test": slice(N_SEARCH, None)}
    arrays = {f"{split}_{what}": labels[:, part] for split, part in parts.items()}
    arrays |= {f"{split}_truth": truth[part] for split, part in parts.items()}
    np.savez(path, names=np.array(MEMBERS), **arrays, **more)
    return path


def of_npz_labels(folder):
    return ee.load(npz(folder / "a.npz", LABELS, TRUTH))


def of_npz_scores(folder):
    return ee.load(npz(folder / "a.npz", np.stack([1 - CHANCES, CHANCES], axis=2), TRUTH, "scores"))


def of_npz_one_column(folder):
    with pytest.warns(ee.InputWarning, match="one column, read as the chance of class 1"):
        return ee.load(npz(folder / "a.npz", CHANCES, TRUTH, "scores"))


def of_npz_text(folder):
    return ee.load(npz(folder / "a.npz", NAMES[LABELS], NAMES[TRUTH]))


def of_npz_signed(folder):
    return ee.load(npz(folder / "a.npz", 2 * LABELS.astype(int) - 1, 2 * TRUTH.astype(int) - 1))


def of_csv(folder):
    return ee.load(write_csv(folder / "a.csv", wide(LABELS, TRUTH)), test_from="split=test")


def of_csv_text(folder):
    return ee.load(write_csv(folder / "a.csv", wide(NAMES[LABELS], NAMES[TRUTH]), ";"), test_from="split=test")


def of_two_csv(folder):
    columns = {name: values for name, values in wide(LABELS, TRUTH).items() if name != "split"}
    first = write_csv(folder / "a.csv", {name: values[:N_SEARCH] for name, values in columns.items()})
    reversed_columns = dict(reversed(list(columns.items())))
    second = write_csv(folder / "b.csv", {name: values[N_SEARCH:] for name, values in reversed_columns.items()})
    return ee.load(first, test=second)


def of_long_csv(folder):
    rows = [
        (f"s{i}", name, NAMES[LABELS[m, i]], NAMES[TRUTH[i]], SPLIT[i])
        for i in range(len(TRUTH))
        for m, name in enumerate(MEMBERS)
    ]
    columns = dict(zip(("task", "worker", "label", "gold", "split"), map(list, zip(*rows, strict=True)), strict=True))
    path = write_csv(folder / "a.csv", columns)
    return ee.load(path, long=("task", "worker", "label"), truth="gold", test_from="split=test")


def of_long_with_truth_as_a_worker(folder):
    answers = {**dict(zip(MEMBERS, LABELS, strict=True)), "gold": TRUTH}
    rows = [(f"s{i}", name, row[i], SPLIT[i]) for name, row in answers.items() for i in range(len(TRUTH))]
    columns = dict(zip(("task", "worker", "label", "split"), map(list, zip(*rows, strict=True)), strict=True))
    path = write_csv(folder / "a.csv", columns)
    return ee.load(path, long="task,worker,label", truth="gold", test_from="split=test")


def of_scores_csv(folder):
    columns = {name: values for name, values in wide(LABELS, NAMES[TRUTH]).items() if name not in MEMBERS}
    for name, row in zip(MEMBERS, CHANCES, strict=True):
        columns |= {f"{name}__yes": row.tolist(), f"{name}__no": (1 - row).tolist()}
    return ee.load(write_csv(folder / "a.csv", columns), scores="NAME__CLASS", test_from="split=test")


def of_numbered_scores(folder):
    columns = {name: values for name, values in wide(LABELS, TRUTH).items() if name not in MEMBERS}
    for name, row in zip(MEMBERS, CHANCES, strict=True):
        columns |= {f"{name}_0": (1 - row).tolist(), f"{name}_1": row.tolist()}
    return ee.load(polars.DataFrame(columns), scores="NAME_CLASS", test_from="split=test")


def of_chances(folder):
    with pytest.warns(ee.InputWarning, match="one column, read as the chance of class yes"):
        return ee.load(pandas.DataFrame(wide(CHANCES, NAMES[TRUTH])), test_from="split=test")


def of_parquet(folder):
    polars.DataFrame(wide(NAMES[LABELS], NAMES[TRUTH])).write_parquet(folder / "a.parquet")
    return ee.load(folder / "a.parquet", test_from="split=test")


def of_feather(folder):
    pyarrow.feather.write_feather(pyarrow.table(wide(LABELS, TRUTH)), folder / "a.feather")
    return ee.load(folder / "a.feather", test_from="split=test")


def of_pandas(folder):
    return ee.load(pandas.DataFrame(wide(LABELS == 1, TRUTH == 1)), test_from="split=test")


def of_pandas_categories(folder):
    frame = pandas.DataFrame(wide(NAMES[LABELS], NAMES[TRUTH]))
    return ee.load(frame.astype(dict.fromkeys(MEMBERS, "category")), test_from="split=test")


def of_polars(folder):
    return ee.load(polars.DataFrame(wide(NAMES[LABELS], NAMES[TRUTH])), test_from="split=test")


def of_pyarrow(folder):
    return ee.load(pyarrow.table(wide(LABELS, TRUTH)), test_from="split=test")


def of_kaggle_labels(folder):
    (folder / "k").mkdir()
    columns = wide(NAMES[LABELS], NAMES[TRUTH])
    write_csv(folder / "k" / "train.csv", {name: columns[name] for name in ("id", "truth", "split")})
    for name, row in zip(MEMBERS, NAMES[LABELS], strict=True):
        ids = [f"s{i}" for i in SHUFFLED]
        write_csv(folder / "k" / f"oof_{name}.csv", {"id": ids, "prediction": row[SHUFFLED].tolist()})
    return ee.load(folder / "k", test_from="split=test")


def of_kaggle_scores(folder):
    columns = wide(LABELS, NAMES[TRUTH])
    for name, chances in zip(MEMBERS, CHANCES, strict=True):
        own = folder / "k" / name
        own.mkdir(parents=True)
        scores = {"class_no": (1 - chances).tolist(), "class_yes": chances.tolist()}
        write_csv(own / "oof.csv", {**{name: columns[name] for name in ("id", "truth", "split")}, **scores})
    return ee.load(folder / "k", test_from="split=test")


def of_kaggle_arrays(folder):
    (folder / "k").mkdir()
    columns = wide(LABELS, TRUTH)
    write_csv(folder / "k" / "train.csv", {name: columns[name] for name in ("id", "truth", "split")})
    for name, chances in zip(MEMBERS, CHANCES, strict=True):
        np.save(folder / "k" / f"{name}_oof.npy", np.stack([1 - chances, chances], axis=1))
    return ee.load(folder / "k", test_from="split=test")


def task_of(folder, scores):
    parts = {"val": slice(None, N_SEARCH), "test": slice(N_SEARCH, None)}
    of_splits = {split: scores[:, part] for split, part in parts.items()}
    truth = {split: TRUTH[part] for split, part in parts.items()}
    return write_task(folder / "model_predictions" / "drawn" / "0", of_splits, truth, MEMBERS), truth


def of_tabarena(folder):
    task, _ = task_of(folder, np.stack([1 - CHANCES, CHANCES], axis=2))
    return ee.load(task)


def of_tabarena_with_one_column(folder):
    task, truth = task_of(folder, CHANCES)
    write_labels_file(task, truth)
    with pytest.warns(ee.InputWarning, match="one column, read as the chance of class 1"):
        return ee.load(task)


def times(folder, **changes):
    """Times of the models of a task on two of its folds, as a repository has them, and the pool of fold 0."""
    task, _ = task_of(folder, np.stack([1 - CHANCES, CHANCES], axis=2))
    n = len(MEMBERS)
    columns = {"dataset": ["drawn"] * n + ["other"] * n + ["drawn"] * n, "fold": [0] * 2 * n + [1] * n}
    columns |= {"framework": [*MEMBERS[::-1], *MEMBERS, *MEMBERS]}
    columns |= {"time_train_s": np.arange(3 * n) / 4, "time_infer_s": np.arange(3 * n) / 8, **changes}
    polars.DataFrame(columns).write_parquet(folder / "configs.parquet")
    return ee.load(task)


def test_times_of_a_repository_of_tabarena_are_costs(tmp_path):
    pool = times(tmp_path)

    seconds = np.arange(len(MEMBERS))[::-1]
    np.testing.assert_array_equal(pool.costs["fit_s"], seconds / 4)
    assert pool.costs["ms_per_row"] == pytest.approx(1000 * seconds / 8 / pool.test.n_samples)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"framework": ["someone"] * 3 * len(MEMBERS)}, f"has no row for {MEMBERS[0]}"),
        ({"time_infer_s": ["fast"] * 3 * len(MEMBERS)}, "could not convert string to float"),
        ({"time_train_s": [np.nan] * 3 * len(MEMBERS)}, "fit_s"),
    ],
)
def test_times_that_cannot_be_costs_are_told(tmp_path, changes, note):
    with pytest.warns(ee.InputWarning, match=f"there are no times of the models: .*{note}"):
        pool = times(tmp_path, **changes)
    assert not pool.costs


def of_arrays(folder):
    parts = slice(None, N_SEARCH), slice(N_SEARCH, None)
    (search, truth), test = ((NAMES[LABELS[:, part]], NAMES[TRUTH[part]]) for part in parts)
    return Pool.from_predictions(search, truth, test=test, names=MEMBERS)


FORMS = [value for name, value in list(globals().items()) if name.startswith("of_")]


@pytest.fixture(scope="module")
def front(tmp_path_factory) -> bytes:
    return front_of(of_npz_labels(tmp_path_factory.mktemp("plain")), tmp_path_factory.mktemp("front"))


def front_of(pool: Pool, folder: Path) -> bytes:
    write_run(ee.search(pool, ["error", "n_members"], selector="exact", baselines="single_best"), folder)
    return (folder / "front.csv").read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_front(form, front, tmp_path):
    pool = form(tmp_path)
    (tmp_path / "run").mkdir()
    assert pool.names == MEMBERS
    assert (pool.search.n_samples, pool.test.n_samples) == (N_SEARCH, N_TEST)
    np.testing.assert_array_equal(pool.search.y_pred, LABELS[:, :N_SEARCH])
    np.testing.assert_array_equal(pool.test.y_pred, LABELS[:, N_SEARCH:])
    assert front_of(pool, tmp_path / "run") == front


@pytest.mark.parametrize("form", ["csv", "parquet", "feather"])
def test_the_random_split_is_that_of_any_other_file(form, tmp_path):
    columns = {name: values for name, values in wide(LABELS, TRUTH).items() if name != "split"}
    if form == "csv":
        path = write_csv(tmp_path / "a.csv", columns)
    else:
        path = tmp_path / f"a.{form}"
        frame = polars.DataFrame(columns)
        frame.write_parquet(path) if form == "parquet" else frame.write_ipc(path)
    np.savez(tmp_path / "a.npz", labels=LABELS, truth=TRUTH)
    found, plain = (ee.load(one, test_share=0.3, split_seed=4) for one in (path, tmp_path / "a.npz"))
    assert found.source["test_samples"] == plain.source["test_samples"]
    assert found.search.fingerprint == plain.search.fingerprint
    assert found.test.fingerprint == plain.test.fingerprint


def test_absent_rows_of_a_long_table_are_missing_answers(tmp_path):
    rows = [(f"s{i}", name, LABELS[m, i]) for m, name in enumerate(MEMBERS) for i in SHUFFLED if (m + i) % 4]
    columns = dict(zip(("task", "worker", "label"), map(list, zip(*rows, strict=True)), strict=True))
    columns["truth"] = [int(TRUTH[int(task[1:])]) for task in columns["task"]]
    path = write_csv(tmp_path / "a.csv", columns)
    pool = ee.load(path, long="task,worker,label", test_share=0, missing="abstain")
    answered = np.array([[(m + i) % 4 > 0 for i in SHUFFLED] for m in range(len(MEMBERS))])
    order = [int(task[1:]) for task in dict.fromkeys(columns["task"])]
    np.testing.assert_array_equal(pool.search.answered, answered[:, [SHUFFLED.tolist().index(i) for i in order]])
    np.testing.assert_array_equal(pool.search.y_true, TRUTH[order])


def test_groups_may_be_text(tmp_path):
    columns = wide(LABELS, TRUTH) | {"hospital": [f"h{i % 3}" for i in range(len(TRUTH))]}
    with pytest.warns(ee.InputWarning, match="3 of 3 groups have samples in both splits"):
        pool = ee.load(write_csv(tmp_path / "a.csv", columns), groups="hospital", test_from="split=test")
    np.testing.assert_array_equal(pool.search.groups, np.arange(N_SEARCH) % 3)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("library", [pandas.DataFrame, lambda columns: polars.DataFrame(pandas.DataFrame(columns))])
def test_groups_may_be_dates(library, zone):
    days = pandas.Series(pandas.to_datetime([f"2020-03-{1 + i % 5}" for i in range(len(TRUTH))])).dt.tz_localize(zone)
    votes = ee.load(library(wide(LABELS, TRUTH) | {"day": days}), groups="day", members=MEMBERS, test_share=0).search
    np.testing.assert_array_equal(votes.groups, np.arange(len(TRUTH)) % 5)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"truth": [0, 1], "a": [0, 1]},
            "the source is a dict; expected a path, the name of a problem, or",
        ),
        (LABELS, "the source is a ndarray; expected"),
        (polars.DataFrame({"truth": [0, 1]}).lazy(), "the table is lazy; collect it first"),
        (pyarrow.table([[0], [1]], names=["a", "a"]), "the table: two columns are called 'a'; rename one"),
        (
            pandas.DataFrame({"truth": [0, 1], "a": ["x", "y"], "b": [0.5, 0.1]}),
            "'a' holds text; scores are numbers",
        ),
    ],
)
def test_what_is_no_table_is_refused(source, message):
    with pytest.raises(ee.InputError, match=message):
        ee.load(source)


@pytest.mark.parametrize("cells", [["1", "0"], ["1.0", ""], ["007", "7"], ["a", "1"], ["-3", "4"], ["", ""]])
def test_cells_are_whole_numbers_numbers_or_text(tmp_path, cells):
    from evo_ensyth.io.formats import read_table

    found = read_table(write_csv(tmp_path / "a.csv", {"x": cells})).column("x").tolist()
    expected = {"1": [1, 0], "1.0": [1.0, None], "007": cells, "a": cells, "-3": [-3, 4], "": [None, None]}[cells[0]]
    assert [None if value != value else value for value in found] == expected  # NaN is not itself


def test_many_numbers_in_text_are_read_as_they_are(tmp_path):
    from evo_ensyth.io.formats import read_table

    numbers = np.random.default_rng(0).random(10_000)
    table = read_table(write_csv(tmp_path / "a.csv", {"x": numbers.tolist(), "id": list(range(10_000))}))
    np.testing.assert_array_equal(table.column("x"), numbers)
    np.testing.assert_array_equal(table.column("id"), np.arange(10_000))


def test_numbers_with_commas_are_numbers_where_cells_are_separated_otherwise(tmp_path):
    from evo_ensyth.io.formats import read_table

    rows = [f"{i};{i % 2};0,{i};{i},5e-1;0.5;a,{i};{i},1,2;" for i in range(10)]
    names = "id;truth;near;far;point;text;list;holes"
    (tmp_path / "a.csv").write_text("\n".join([names, *rows, "9;1;;0;0,5;1;1;0,25"]))
    table = read_table(tmp_path / "a.csv")

    assert table.column("truth").dtype.kind == "i"
    np.testing.assert_array_equal(table.column("near"), [i / 10 for i in range(10)] + [np.nan])
    np.testing.assert_array_equal(table.column("far"), [float(f"{i}.5e-1") for i in range(10)] + [0])
    np.testing.assert_array_equal(table.column("holes"), [np.nan] * 10 + [0.25])
    assert table.column("point")[-1] == "0,5"  # both kinds in one column: it is text, and says so where it is used
    assert table.column("text")[1] == "a,1"
    assert table.column("list")[1] == "1,1,2"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_an_empty_column_at_the_end_is_left_out(tmp_path, delimiter):
    (tmp_path / "a.csv").write_text("truth,a,\nx,x,\ny,y,\nx,y,\ny,y,\n".replace(",", delimiter))
    assert ee.load(tmp_path / "a.csv", test_share=0).names == ("a",)


def test_the_unnamed_column_of_an_index_is_left_out(tmp_path):
    frame = pandas.DataFrame(wide(LABELS, TRUTH))
    frame.to_csv(tmp_path / "a.csv")
    assert ee.load(tmp_path / "a.csv", test_from="split=test").names == MEMBERS
