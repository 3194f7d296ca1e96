"""Wrong tables: one line each, with the file, the column and what to do, and status 2."""

from pathlib import Path

import numpy as np
import polars
import pytest

from evo_ensyth.errors import InputError

GOOD = "id,truth,a,b\n1,x,x,y\n2,y,y,y\n3,x,x,x\n4,y,x,y\n"
LONG = "task,worker,label,truth\n1,a,x,x\n1,b,y,x\n2,a,y,y\n2,b,y,y\n3,a,x,x\n3,b,x,x\n4,a,x,y\n4,b,y,y\n"
SCORES = "truth,a__x,a__y,b__x,b__y\nx,.9,.1,.8,.2\ny,.2,.8,.3,.7\nx,.6,.4,.9,.1\ny,.6,.4,.1,.9\n"
AS_LONG = ("--long", "task,worker,label")
AS_SCORES = ("--scores", "NAME__CLASS")

# Name: content of the file, arguments, what is said after the name of the file.
WRONG = {
    "nothing": ("", (), " has no header"),
    "a header alone": ("id,truth,a,b\n", (), ": there are no rows"),
    "no text": (b"\xff\xfe\x00a", (), " is no text in UTF-8"),
    "zeros": (b"\0" * 50, (), " has no header"),
    "Latin-1": ("truth,a\nx,é\n".encode("latin1"), (), " is no text in UTF-8"),
    "a short row": (GOOD + "5,x\n", (), ": row 5 has 2 cells; the header has 4"),
    "a long row": (GOOD + "5,x,y,x,x\n", (), ": row 5 has 5 cells; the header has 4"),
    "an open quote": (GOOD + '5,"x,y,x\n', (), "line 6: unexpected end of data"),
    "a column twice": ("truth,a,b,a\nx,x,y,x\n", (), ": columns 2 and 4 are both called 'a'; rename one"),
    "a column without a name": ("truth,a,,b\nx,x,x,x\ny,y,x,y\n", (), ": column 3 has no name; name it"),
    "no truth": (
        GOOD.replace("truth", "Y"),
        (),
        ": name the column of the true classes with --truth (in Python, truth=); there is id, Y, a, b",
    ),
    "another truth": (GOOD, ("--truth", "y"), ": no column 'y'; there is id, truth, a, b"),
    "a misspelt truth": (
        GOOD,
        ("--truth", "trut"),
        ": no column 'trut'; there is id, truth, a, b. Did you mean 'truth'?",
    ),
    "no id": (GOOD, ("--id", "key"), ": no column 'key'; there is id, truth, a, b"),
    "no groups": (GOOD, ("--groups", "site"), ": no column 'site'; there is"),
    "a true class that is missing": (
        GOOD.replace("2,y,", "2,,"),
        (),
        ": column 'truth' has no value for row 2; every sample needs one",
    ),
    "a group that is missing": ("truth,g,a\nx,1,x\ny,,y\n", ("--groups", "g"), ": column 'g' has no value for row 2"),
    "an id that is missing": (GOOD.replace("\n2,", "\n,"), (), ": column 'id' has no value in row 2"),
    "an id twice": (GOOD.replace("\n3,", "\n1,"), (), ": column 'id' holds 1 in rows 1 and 3; a sample has one row"),
    "an answer that is missing": (
        GOOD.replace("2,y,y", "2,y,"),
        (),
        ": member 'a' has no answer for search sample 1; in all, 1 of 8 answers are missing, from 1 of 2 members. "
        "Choose what to do with --missing",
    ),
    "a feature among the members": (
        "truth,a,x\n1,1,3.7\n0,0,2.5\n1,1,1.1\n0,0,2.0\n",
        (),
        ": column 'x' holds 3.7 (row 1); class labels are whole numbers, booleans or text. Choose the columns that are "
        "members with --members",
    ),
    "a number among the members": (
        "truth,a,n\n" + "".join(f"{i % 2},1,{i}\n" for i in range(40)),
        (),
        ": column 'n' has 40 different values in 40 rows and is no member; choose those that are with --members",
    ),
    "truth in fractions": ("truth,a\n.5,1\n1,1\n", (), ": column 'truth' holds 0.5 (row 1)"),
    "a pattern without members": (GOOD, ("--members", "net_*"), ": no member's name matches 'net_*'; there is a, b"),
    "chances of three classes": (
        "truth,a\n1,.5\n2,.2\n3,.7\n",
        (),
        ": the scores have 2 columns and the labels are 1, 2, 3; give a column for each",
    ),
    "no scores of this name": (
        SCORES,
        ("--scores", "NAME-CLASS"),
        ": no column is called like 'NAME-CLASS'; there is a__x",
    ),
    "scores without a class": (
        SCORES.replace("b__y", "b__z"),
        AS_SCORES,
        ": 'b' has scores for x, z, and 'a' for x, y",
    ),
    "scores in words": (
        SCORES.replace(".9,.1,.8", "high,.1,.8"),
        AS_SCORES,
        ": column 'a__x' holds text; scores are numbers",
    ),
    "half of the scores of a sample": (
        SCORES.replace(".2,.8", ",.8"),
        AS_SCORES,
        ": 'a' lack 1 of 2 scores for sample 1",
    ),
    "a true class without scores": (
        SCORES.replace("\nx,.6", "\nz,.6"),
        AS_SCORES,
        ": the label 'z' is none of the classes x, y",
    ),
    "a template without a class": (
        SCORES,
        ("--scores", "NAME"),
        "scores is 'NAME'; write how columns are called, such as NAME__CLASS",
    ),
    "a long table of two columns": (
        LONG,
        ("--long", "task,worker"),
        "long is 'task,worker'; name three columns: sample,member,label",
    ),
    "a long table without workers": (
        LONG,
        ("--long", "task,who,label"),
        ": no column 'who'; there is task, worker, label, truth",
    ),
    "an answer twice": (LONG + "1,a,x,x\n", AS_LONG, ": rows 1 and 9 are both the answer of 'a' to '1'"),
    "a row without a task": (LONG + ",a,x,x\n", AS_LONG, ": column 'task' has no value in row 9"),
    "a row without a worker": (LONG + "5,,x,x\n", AS_LONG, ": column 'worker' has no value in row 9"),
    "two truths": (
        LONG.replace("1,b,y,x", "1,b,y,y"),
        AS_LONG,
        ": column 'truth' holds x in row 1 and y in row 2, which have one 'task'",
    ),
    "no truth of a long table": (LONG, (*AS_LONG, "--truth", "gold"), ": no column 'gold'; there is task, truth, a, b"),
    "a worker called like a column": (
        LONG.replace(",b,", ",truth,"),
        AS_LONG,
        ": 'truth' is a column and also a value of 'worker'; rename one",
    ),
    "a test split from nothing": (
        GOOD,
        ("--test-from", "fold"),
        "test_from is 'fold'; write COLUMN=VALUE, such as fold=5",
    ),
    "a test split from no column": (GOOD, ("--test-from", "fold=5"), ": no column 'fold'; there is id, truth, a, b"),
    "a test split without rows": (GOOD, ("--test-from", "a=z"), ": column 'a' is 'z' in no row; there is x, y"),
    "one row in the test split": (
        GOOD,
        ("--test-from", "id=1"),
        ": n_samples of the test split is 1; at least 2 estimate an error",
    ),
    "a test split that is nowhere": (GOOD, ("--test", "none.csv"), "none.csv does not exist"),
    "a test split in a folder": (GOOD, ("--test", "folder.csv"), "folder.csv is not a regular file"),
    "a test split that is no table": (
        GOOD,
        ("--test", "votes.npz"),
        "votes.npz holds no table; files of tables have .arrow, .csv, .feather, .parquet, .tsv",
    ),
    "a test split without a member": (GOOD, ("--test", "few.csv"), "few.csv: no column 'b'; there is id, truth, a"),
    "two test splits": (
        GOOD,
        ("--test", "good.csv", "--test-from", "a=x"),
        "the test split is given twice, as a table and by a column; give one",
    ),
    "a column of weights": (
        GOOD.replace("b\n", "weight\n").replace(",y\n", ",.5\n").replace(",x\n", ",.2\n"),
        (),
        ": column 'weight' gives samples weights, and all samples count alike here. Remove it",
    ),
    "weights by an option": (GOOD, ("--weights", "b"), "'b' gives samples weights, and all samples count alike here"),
    "all samples tested": (GOOD, ("--test-share", "1"), "the test share is 1; it must be at least 0 and below 1"),
}


@pytest.fixture
def files(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "few.csv").write_text("id,truth,a\n8,x,x\n9,y,y\n")
    (tmp_path / "folder.csv").mkdir()
    np.savez(tmp_path / "votes.npz", labels=np.zeros((2, 4), int), truth=np.zeros(4, int))


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.usefixtures("files")
def test_a_wrong_table_takes_one_line(call, tmp_path, what):
    content, arguments, message = WRONG[what]
    path = tmp_path / "answers.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if "--test-from" not in arguments and "--test" not in arguments:
        arguments = ("--test-share", "0", *arguments)
    said = call("search", "answers.csv", "--selector", "single_best", "--out", "run", *arguments)
    assert (said.status, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert message in said.err
    if message.startswith((":", " ")):
        assert said.err.startswith(f"evo_ensyth: answers.csv{message[0]}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["--truth", "--id", "--groups", "--scores", "--test-from", "--long", "--test"])
@pytest.mark.usefixtures("files")
def test_options_of_tables_are_refused_for_other_files(call, option):
    value = {"--scores": "NAME__CLASS", "--test-from": "a=x", "--long": "a,b,c", "--test": "good.csv"}.get(option, "a")
    said = call("search", "votes.npz", option, value)
    assert said.status == 2
    assert "votes.npz says itself what it holds; only tables take names of columns and a file for the test" in said.err


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_what_reads_a_file_is_named_where_it_is_missing(call, tmp_path, monkeypatch, suffix):
    from evo_ensyth.io.formats import _frames

    frame = polars.DataFrame({"truth": [0, 1, 0], "a": [0, 1, 1]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc(tmp_path / "a.feather")
    monkeypatch.setattr(_frames, "find_spec", lambda name: None)
    said = call("search", f"a.{suffix}")
    assert said.status == 2
    assert f"a.{suffix}: files with the suffix '.{suffix}' need " in said.err
    assert "polars" in said.err
    assert "pyarrow" in said.err


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_pyarrow_reads_what_polars_reads(tmp_path, monkeypatch, suffix):
    from evo_ensyth.io.formats import _frames, read_table

    frame = polars.DataFrame({"truth": [0, 1, None], "a": ["x", None, "y"], "b": [0.5, None, 1.0]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc(tmp_path / "a.feather")
    found = []
    for library in ("polars", "pyarrow"):
        monkeypatch.setattr(_frames, "find_spec", lambda name, library=library: name == library or None)
        found.append(read_table(tmp_path / f"a.{suffix}"))
    by_polars, by_pyarrow = found
    assert by_polars.columns == by_pyarrow.columns
    for name in by_polars.columns:
        np.testing.assert_array_equal(by_polars.column(name), by_pyarrow.column(name))


def test_a_library_that_panics_is_reported_in_one_line(call, tmp_path, monkeypatch):
    """As polars does for some damaged files; what it raises is no `Exception`."""
    panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})

    def scan(path):
        raise panic("called `Result::unwrap()`\non an `Err` value")

    (tmp_path / "votes.feather").write_bytes(b"ARROW1")
    monkeypatch.setattr(polars, "scan_ipc", scan)
    said = call("search", tmp_path / "votes.feather")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "cannot be read as feather: called `Result::unwrap()` on" in said.err


def test_a_parquet_file_that_does_not_fit_its_checksums_is_refused(call, tmp_path):
    from pyarrow import parquet, table

    columns = {"truth": ["no", "yes"] * 9, "zebra": ["no", "yes"] * 9}
    parquet.write_table(table(columns), tmp_path / "votes.parquet", write_page_checksum=True, compression="none")
    content = (tmp_path / "votes.parquet").read_bytes()
    assert content.count(b"yes") > 1
    (tmp_path / "votes.parquet").write_bytes(content.replace(b"yes", b"yez", 1))
    said = call("search", tmp_path / "votes.parquet")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "cannot be read as parquet: could not verify page integrity, CRC checksum verification failed" in said.err


def test_columns_of_different_lengths_are_refused(tmp_path):
    from evo_ensyth.io.formats._frames import columnwise

    def opener(path):
        return ["a", "bb"], 1, lambda name: polars.DataFrame({name: [0] * len(name)})

    (tmp_path / "a.parquet").touch()
    table = columnwise(tmp_path / "a.parquet", {"polars": opener})
    table.column("a")
    with pytest.raises(InputError, match=r"a\.parquet: column 'bb' has 2 rows; others have 1"):
        table.column("bb")


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_a_small_file_of_very_many_equal_values_is_refused_before_it_is_unpacked(
    call, tmp_path, monkeypatch, library, suffix
):
    from evo_ensyth.io.formats import _frames

    frame = polars.DataFrame(dict.fromkeys(("truth", "a"), ["x"] * 200_000))
    frame = frame.cast(polars.Categorical)
    if suffix == "parquet":
        frame.write_parquet(tmp_path / "a.parquet")
    else:
        frame.write_ipc(tmp_path / "a.feather", compression="zstd")
    monkeypatch.setattr(_frames, "MOST_VALUES", 100_000)
    monkeypatch.setattr(_frames, "find_spec", lambda name: name == library or None)
    said = call("search", f"a.{suffix}")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "holds 400,000 values in " in said.err
