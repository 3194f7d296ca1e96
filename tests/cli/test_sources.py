"""``pool show`` and ``convert`` of any source."""

import numpy as np
import pytest

from evo_ensyth.io import read_predictions

TABLE = "truth,good,again,constant,bad,b b\n" + "".join(
    f"{c},{c},{c},x,{other},{c if i % 3 else other}\n"
    for i, (c, other) in enumerate([("x", "y"), ("y", "x"), ("x", "y"), ("y", "x")] * 3)
)


def test_a_file_is_shown_with_what_is_odd_about_its_members(call, tmp_path):
    (tmp_path / "a.csv").write_text(TABLE)
    said = call("pool", "show", "a.csv", "--test-from", "constant=z")
    assert said.status == 2
    said = call("pool", "show", "a.csv", "--out", "shown")
    assert said.status == 0, said.err
    assert (
        "1 member with one answer for every sample: constant; 1 member with the answers of an earlier one: again (like "
        "good); 1 member worse than chance, 50.0% errors: bad\n"
    ) in said.out
    assert "a: 5 members" in said.out
    assert "pruned" not in said.out


def test_a_file_can_be_shown_without_a_test_split_and_with_costs(call, npz, arrays):
    arrays = {key: values for key, values in arrays.items() if not key.startswith("test_")}
    said = call("pool", "show", npz(arrays), "--json", "--out", "shown")
    assert said.status == 0, said.err
    assert said.json["cost"] == "latency"
    assert said.json["remarks"] == []


@pytest.mark.parametrize("missing", [False, True])
def test_a_table_becomes_a_file_of_the_documented_form(call, tmp_path, missing):
    (tmp_path / "a.csv").write_text(TABLE.replace("x,x,x,x", "x,,x,x", 1) if missing else TABLE)
    said = call("convert", "a.csv", "-o", "b.npz", "--members", "g*", "--members", "b b")
    assert said.status == 0, said.err
    assert said.out.startswith("b.npz: 2 members, 2 classes, 6 search samples, 6 test samples, ")
    found = read_predictions(tmp_path / "b.npz", missing="abstain")
    assert (found.names, found.classes) == (("good", "b b"), ("x", "y"))
    assert any(votes.has_holes for votes in found.splits.values()) == missing
    assert "b.npz is there already" in call("convert", "a.csv", "-o", "b.npz").err
    assert "b.csv does not end with .npz" in call("convert", "a.csv", "-o", "b.csv").err


def test_names_of_members_may_hold_anything_that_can_be_printed(call, npz):
    names = ["Random Forest", "a,b", 'say "x"', "k=v", "c[1]", "c1", "it's", "*"]
    rng = np.random.default_rng(0)
    labels, truth = rng.integers(0, 2, (8, 30)), rng.integers(0, 2, 30)
    path = npz({"search_labels": labels, "search_truth": truth, "names": np.array(names)})
    chosen = [part for name in names for part in ("--members", name)]
    said = call("search", path, "--selector", "whole_pool", "--json", *chosen)
    assert said.json["whole_pool"]["members"] == names
    one = call("search", path, "--selector", "whole_pool", "--json", "--members", "c[1]")
    assert one.json["whole_pool"]["members"] == ["c[1]"]
    assert call("search", path, "--selector", "whole_pool", "--json", "--members", "*").json["n_members"] == 1
