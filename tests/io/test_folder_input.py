"""Wrong folders of predictions: one line each, with the file and what to do, and status 2."""

import json
from pathlib import Path

import numpy as np
import pytest
from io_folders import write_csv, write_labels_file, write_task

LABELS = np.array([[0, 1, 1, 0], [0, 1, 0, 0]])
TRUTH = [0, 1, 1, 0]
NAMES = ["cat", "dog"]


def kaggle(folder: Path) -> None:
    folder.mkdir()
    write_csv(folder / "train.csv", {"id": range(4), "truth": [NAMES[label] for label in TRUTH]})
    for name, row in zip("ab", LABELS, strict=True):
        write_csv(folder / f"oof_{name}.csv", {"id": range(4), "pred": [NAMES[label] for label in row]})


def task(folder: Path) -> None:
    scores = np.eye(2)[LABELS]
    truth = np.array(TRUTH)
    write_task(folder / "pets" / "0", {"val": scores, "test": scores}, {"val": truth, "test": truth}, "ab")


def changed(field: str, value: object):
    def change(folder: Path) -> None:
        path = folder / "metadata.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))

    return change


def oof(**columns):
    return lambda folder: write_csv(folder / "oof_a.csv", columns)


def array(values):
    def change(folder: Path) -> None:
        (folder / "oof_a.csv").unlink()
        np.save(folder / "oof_a.npy", values)

    return change


def labels(content: bytes):
    def change(folder: Path) -> None:
        write_labels_file(folder, {"val": np.array(TRUTH), "test": np.array(TRUTH)})
        (folder / "labels.dat").write_bytes(content or (folder / "labels.dat").read_bytes()[:-1])

    return change


# Name: which folder, what is done to it, arguments, what is said.
WRONG = {
    "no truth in train.csv": (
        kaggle,
        lambda f: write_csv(f / "train.csv", {"id": range(4), "Y": TRUTH}),
        (),
        "kaggle/train.csv: name the column of the true classes with --truth (in Python, truth=); there is id, Y",
    ),
    "a misspelt truth": (kaggle, None, ("--truth", "trut"), "kaggle/train.csv: no column 'trut'; there is id, truth."),
    "an id twice": (
        kaggle,
        oof(id=[0, 1, 1, 3], pred=["cat"] * 4),
        (),
        "kaggle/oof_a.csv: column 'id' holds 1 in rows 2 and 3; a sample has one row",
    ),
    "an id without a value": (
        kaggle,
        oof(id=[0, 1, "", 3], pred=["cat"] * 4),
        (),
        "kaggle/oof_a.csv: column 'id' has no value in row 3",
    ),
    "another number of rows": (
        kaggle,
        oof(pred=["cat"] * 3),
        (),
        "kaggle/oof_a.csv has 3 rows and no ids to join them by; kaggle/train.csv has 4",
    ),
    "several columns of predictions": (
        kaggle,
        oof(id=range(4), first=["cat"] * 4, second=["dog"] * 4),
        (),
        "kaggle/oof_a.csv has the columns id, first, second; expected one with predictions, called 'prediction'",
    ),
    "no column of predictions": (kaggle, oof(id=range(4)), (), "kaggle/oof_a.csv has no column with predictions"),
    "one column beside one for each class": (
        kaggle,
        oof(id=range(4), cat=[0.5] * 4, dog=[0.5] * 4),
        (),
        "kaggle/oof_b.csv holds one column, and others, such as that of 'a', one for each class; give one kind",
    ),
    "two files of a model": (
        kaggle,
        lambda f: np.save(f / "a_oof.npy", np.zeros(4)),
        (),
        "kaggle/a_oof.npy and kaggle/oof_a.csv are both the oof predictions of 'a'; remove one",
    ),
    "an array of another width": (
        kaggle,
        array(np.zeros((4, 3))),
        (),
        "kaggle/oof_a.npy has 3 columns; there are 2 classes, cat, dog",
    ),
    "an array of objects": (
        kaggle,
        array(np.array([{}] * 4)),
        (),
        "kaggle/oof_a.npy cannot be read as an array of numpy: Object arrays cannot be loaded",
    ),
    "an array of many dimensions": (kaggle, array(np.zeros((4, 1, 1))), (), "kaggle/oof_a.npy has shape (4, 1, 1)"),
    "a file for the test": (
        kaggle,
        None,
        ("--test", "kaggle/train.csv"),
        "kaggle takes no --test, --long and",
    ),
    "a submission of no Kaggle folder": (
        task,
        None,
        ("--write-submission", "new.csv"),
        "tabarena/pets/0 is no folder with out-of-fold predictions such as oof_NAME.csv, and has no submissions",
    ),
    "names of columns": (task, None, ("--truth", "y"), "tabarena/pets/0 says itself what it holds; only tables take"),
    "no list of models": (task, changed("models", "a"), (), "metadata.json: field 'models' is \"a\"; that is no"),
    "another type": (task, changed("dtype", "object"), (), "metadata.json: field 'dtype' is \"object\"; that is no"),
    "a shape of other models": (
        task,
        changed("pred_val_shape", [3, 4, 2]),
        (),
        "metadata.json: field 'pred_val_shape' is [3, 4, 2]; that is no description of a task",
    ),
    "a shape of other classes": (
        task,
        changed("pred_test_shape", [2, 4, 3]),
        (),
        "metadata.json: 'pred_val_shape' and 'pred_test_shape' end differently",
    ),
    "more than there is": (
        task,
        changed("pred_val_shape", [2, 400, 2]),
        (),
        "pred-val.dat has 64 bytes; 'pred_val_shape' in metadata.json asks for 6,400",
    ),
    "no test scores": (task, lambda f: (f / "pred-test.dat").unlink(), (), "pred-test.dat is not there; 'pred_test"),
    "no true classes": (
        task,
        lambda f: (f / "label-val.csv.zip").unlink(),
        (),
        "tabarena/pets/0 has no true classes: there is neither label-val.csv.zip nor labels.dat",
    ),
    "no archive": (
        task,
        lambda f: (f / "label-val.csv.zip").write_bytes(b"no"),
        (),
        "label-val.csv.zip holds no labels of TabArena: File is not a zip file",
    ),
    "true classes of another length": (
        task,
        lambda f: write_labels_file(f, {"val": np.array([0, 1]), "test": np.array(TRUTH)}),
        (),
        "tabarena/pets/0: the search predictions of 'a' have shape (4, 2); y_true has 2 samples",
    ),
    "labels cut off": (task, labels(b""), (), "labels.dat holds no labels of TabArena: buffer is smaller than"),
    "labels of nothing": (task, labels(b"\x02\0\0\0{}"), (), "labels.dat holds no labels of TabArena: 'version'"),
    "labels of a later version": (
        task,
        labels(b'\x0d\0\0\0{"version":2}'),
        (),
        "labels.dat has version 2; expected 1",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_folder_takes_one_line(call, tmp_path, what):
    write, change, arguments, message = WRONG[what]
    source = tmp_path / {kaggle: "kaggle", task: "tabarena"}[write]
    write(source)
    folder = source if write is kaggle else source / "pets" / "0"
    if change is not None:
        change(folder)
    place = folder.relative_to(tmp_path)
    said = call("search", place, "--selector", "single_best", "--test-share", "0", "--out", "run", *arguments)
    assert (said.status, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert message in said.err
    assert not (tmp_path / "run").exists()


def test_the_tasks_of_a_repository_are_named(call, tmp_path):
    task(tmp_path / "repository" / "model_predictions")
    said = call("pool", "show", "repository")
    assert said.status == 2
    assert "repository holds 1 tasks; give the folder of one: repository/model_predictions/pets/0." in said.err


def test_a_regression_is_refused(call, tmp_path):
    task(tmp_path / "tabarena")
    folder = tmp_path / "tabarena" / "pets" / "0"
    header = json.dumps({"version": 1, **{split: {"n": 4, "dtype": "<f8"} for split in ("val", "test")}}).encode()
    values = np.full(8, 0.5).tobytes()
    (folder / "labels.dat").write_bytes(len(header).to_bytes(4, "little") + header + values)
    said = call("search", "tabarena/pets/0")
    assert said.status == 2
    assert "has true values with fractions: a regression has no classes" in said.err


def test_a_folder_that_runs_code_is_opened_only_if_told(call, tmp_path):
    (tmp_path / "predictor").mkdir()
    for name in ("predictor.pkl", "learner.pkl"):
        (tmp_path / "predictor" / name).write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    said = call("search", "predictor")
    assert said.status == 2
    assert "predictor is of autogluon, and opening it runs code that lies in it; if it is yours, say so" in said.err
    assert not (tmp_path / "ran").exists()
