"""Pool folders: what is read is what was written, and a manifest is believed in nothing that can be checked."""

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint
from evo_ensyth.io import StoredPool, read_pool
from evo_ensyth.io.pool_folder import (
    Answers,
    read_member,
    write_manifest,
    write_member,
    write_parent_labels,
    write_truth,
)

READ = (
    "search.truth.npy",
    "test.truth.npy",
    "parent.test.labels.npy",
    "members/a/search.labels.npy",
    "members/d_2.x/test.labels.npy",
)
ANSWERS = {split: Answers(np.zeros(20, np.uint8), np.ones((20, 3), np.float32)) for split in ("search", "test")}


def sealed(manifest: dict[str, Any]) -> dict[str, Any]:
    """Give the manifest the fingerprint that fits it, as somebody who means harm would."""
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    return {**content, "sha256": fingerprint(content)}


@pytest.fixture
def forged(pool_folder: Path) -> Callable[[Callable[[dict], object]], Path]:
    """Change the manifest by a function, and seal it again."""

    def forged(change: Callable[[dict], object]) -> Path:
        manifest = json.loads((pool_folder / "pool.json").read_text())
        change(manifest)
        (pool_folder / "pool.json").write_text(json.dumps(sealed(manifest)))
        return pool_folder

    return forged


# --- What is read --------------------------------------------------------------------------------------------------


def test_a_pool_is_read_as_it_was_written(pool_folder):
    stored = read_pool(pool_folder)
    assert (stored.problem, stored.folder) == ("by-hand", pool_folder)
    assert stored.about == {"dataset": "none", "parent": {"bytes": 400, "accuracy": {"test": 1.0}}}
    assert stored.pool.parent.costs == {"bytes": 400.0}
    for votes in (stored.pool.search, stored.pool.test):
        np.testing.assert_array_equal(stored.pool.parent.y_pred[votes.split], votes.y_true)  # it is always right
    assert stored.pool.names == ("a", "b", "c-1", "d_2.x")
    assert stored.pool.members.origins[2] == {"method": "hand", "step": 2}
    assert {name: (values.dtype.name, values.tolist()) for name, values in stored.pool.costs.items()} == {
        "bytes": ("int64", [110, 111, 112, 113]),
        "macs": ("float64", [8.5, 8.5, 8.5, 8.5]),
    }
    for votes in (stored.pool.search, stored.pool.test):
        for row, name in zip(votes.y_pred, stored.pool.names, strict=True):
            written = np.load(pool_folder / "members" / name / f"{votes.split}.labels.npy")
            np.testing.assert_array_equal(row, written)
        np.testing.assert_array_equal(votes.y_true, np.load(pool_folder / f"{votes.split}.truth.npy"))
        assert votes.n_classes == 3


def test_a_pool_of_an_earlier_version_has_no_answers_of_its_parent(forged):
    stored = read_pool(forged(lambda manifest: manifest.pop("parent_labels")))
    assert (stored.pool.parent.costs, stored.pool.parent.y_pred) == ({"bytes": 400.0}, {})


def test_layers_of_the_same_chain_are_shared(pool_folder):
    (part,) = read_pool(pool_folder).pool.shared
    assert part.members.tolist() == [True, True, True, False]
    assert part.costs == {"bytes": 100, "macs": 7.5}


def test_a_member_can_be_asked_for_before_the_pool_is_finished(pool_folder):
    assert read_member(pool_folder, "nobody") is None
    member = read_member(pool_folder, "b")
    assert member is not None
    assert (member["name"], member["origin"]) == ("b", {"method": "hand", "step": 1})


def test_members_keep_the_order_of_the_manifest(pool_folder):
    write_manifest(pool_folder, ["d_2.x", "a"], problem="by-hand", n_classes=3, about={})
    stored = read_pool(pool_folder)
    assert stored.pool.names == ("d_2.x", "a")
    np.testing.assert_array_equal(
        stored.pool.search.y_pred[0], np.load(pool_folder / "members" / "d_2.x" / "search.labels.npy")
    )


def test_a_pool_can_be_moved(pool_folder, tmp_path):
    before = read_pool(pool_folder)
    pool_folder.rename(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")  # a link to a whole pool is no link inside it
    for folder in (tmp_path / "elsewhere", tmp_path / "link"):
        assert read_pool(folder).pool.search.fingerprint == before.pool.search.fingerprint


# --- Writing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/x", "-x", ".x", "a b", "a\n", "ü", "x" * 129, "a\0"])
def test_a_member_cannot_have_a_name_that_leads_elsewhere(pool_folder, name):
    before = sorted(pool_folder.rglob("*"))
    with pytest.raises(InputError, match="cannot name a member; use letters, digits"):
        write_member(pool_folder, name, origin={}, layers=[], report={}, answers=ANSWERS, weights=b"")
    assert sorted(pool_folder.rglob("*")) == before


def test_a_member_is_not_written_over(pool_folder):
    with pytest.raises(InputError, match="exists already"):
        write_member(pool_folder, "a", origin={}, layers=[], report={}, answers=ANSWERS, weights=b"")
    assert read_member(pool_folder, "a")["origin"] == {"method": "hand", "step": 0}


def test_a_member_that_fails_half_way_leaves_nothing(pool_folder):
    before = sorted(pool_folder.rglob("*"))
    with pytest.raises(ValueError, match="JSON"):
        write_member(pool_folder, "e", origin={"x": np.nan}, layers=[], report={}, answers=ANSWERS, weights=b"")
    assert sorted(pool_folder.rglob("*")) == before


def test_a_manifest_needs_all_its_members(pool_folder):
    with pytest.raises(InputError, match="has no member 'e'; 'pool build' makes it"):
        write_manifest(pool_folder, ["a", "e"], problem="by-hand", n_classes=3, about={})


# --- What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", READ)
@pytest.mark.parametrize("change", ["changed", "cut off", "longer", "missing", "a folder", "a link", "a pipe"])
def test_a_file_that_is_not_the_one_the_manifest_lists_is_refused(pool_folder, tmp_path, file, change):
    path = pool_folder / file
    content = path.read_bytes()
    path.unlink()
    if change == "a folder":
        path.mkdir()
    elif change == "a link":
        (tmp_path / "same content").write_bytes(content)
        path.symlink_to(tmp_path / "same content")
    elif change == "a pipe":
        os.mkfifo(path)
    elif change != "missing":
        path.write_bytes({"changed": content[:-1] + b"\7", "cut off": content[:-1], "longer": content + b"\0"}[change])
    with pytest.raises(InputError, match=path.name.replace(".", r"\.")) as caught:
        read_pool(pool_folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("inner", ["members", "members/a", "pool.json"])
def test_no_part_of_a_pool_may_be_a_link(pool_folder, tmp_path, inner):
    (pool_folder / inner).rename(tmp_path / "outside")
    (pool_folder / inner).symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match=f"{inner} is a symbolic link"):
        read_pool(pool_folder)


def test_scores_and_weights_stay_on_disk(pool_folder):
    (pool_folder / "members" / "a" / "search.scores.npy").unlink()
    (pool_folder / "members" / "b" / "weights.safetensors").unlink()
    assert len(read_pool(pool_folder).pool) == 4


def test_a_pipe_in_the_place_of_scores_is_refused_and_not_waited_for(pool_folder):
    path = pool_folder / "members" / "b" / "test.scores.npy"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"members/b/test\.scores\.npy is not a regular file"):
        _ = read_pool(pool_folder).pool.splits["test"].scores


def test_a_folder_without_a_finished_pool_is_refused(pool_folder, tmp_path):
    with pytest.raises(InputError, match="holds no finished pool: there is no"):
        read_pool(tmp_path / "nowhere")
    (pool_folder / "pool.json").unlink()
    with pytest.raises(InputError, match="holds no finished pool"):
        read_pool(pool_folder)


def test_a_manifest_that_was_edited_by_hand_is_refused(pool_folder):
    path = pool_folder / "pool.json"
    path.write_text(path.read_text().replace('"bytes": 100', '"bytes": 1'))
    with pytest.raises(InputError, match=r"pool\.json: field 'sha256' does not fit the rest of the file"):
        read_pool(pool_folder)


@pytest.mark.slow
def test_a_manifest_cut_off_at_any_byte_is_refused(pool_folder):
    path = pool_folder / "pool.json"
    content = path.read_bytes()
    for size in range(0, len(content.rstrip()), 7):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"pool\.json cannot be read as JSON"):
            read_pool(pool_folder)


def member(manifest: dict, **fields: Any) -> None:
    manifest["members"][1].update(fields)


def layer(manifest: dict, **fields: Any) -> None:
    manifest["members"][1]["layers"][0].update(fields)


FORGED: dict[str, tuple[Callable[[dict], object], str]] = {
    "another format": (lambda m: m.update(format=2), "field 'format' is 2; this version reads 1"),
    "format true": (lambda m: m.update(format=True), "field 'format' is missing or not int"),
    "no truth": (lambda m: m["truth"].pop("test"), "truth: field 'test' is missing or not str"),
    "a parent with one split": (
        lambda m: m["parent_labels"].pop("test"),
        "parent_labels: field 'test' is missing or not str",
    ),
    "no labels": (
        lambda m: m["members"][1]["files"].pop("search.labels.npy"),
        r"member 1: files: field 'search\.labels\.npy' is missing",
    ),
    "no members": (lambda m: m.update(members=[]), "field 'members': the pool is empty"),
    "a member twice": (lambda m: m["members"].append(m["members"][0]), "field 'members': two members are called 'a'"),
    "a member that climbs": (lambda m: member(m, name="../../a"), "member 1: field 'name' is '../../a'"),
    "a member at the root": (lambda m: member(m, name="/etc"), "member 1: field 'name' is '/etc'"),
    "a member with a new line": (lambda m: member(m, name="b\n"), "which cannot name a member"),
    "a member that is not there": (lambda m: member(m, name="e"), r"members/e/search\.labels\.npy does not exist"),
    "other costs": (lambda m: layer(m, costs={"bytes": 1}), "member 1: layers: field 'costs' of 'conv' does not name"),
    "a cost in words": (lambda m: layer(m, costs={"bytes": "1", "macs": 1}), "gives 'bytes' as '1'; expected a number"),
    "a cost true": (lambda m: layer(m, costs={"bytes": True, "macs": 1}), "gives 'bytes' as True; expected a number"),
    "an endless cost": (lambda m: layer(m, costs={"bytes": float("inf"), "macs": 1}), "gives 'bytes' as inf"),
    "a NaN cost": (lambda m: layer(m, costs={"bytes": float("nan"), "macs": 1}), "gives 'bytes' as nan"),
    "a huge cost": (lambda m: layer(m, costs={"bytes": 10**4000, "macs": 1}), "gives 'bytes' as 1000"),
    "a cost with a hostile name": (
        lambda m: [x["costs"].update({"[red]": 1}) for member in m["members"] for x in member["layers"]],
        r"calls a cost '\[red\]'; use letters",
    ),
    "a shared layer of another price": (
        lambda m: layer(m, costs={"bytes": 5, "macs": 1}),
        "is not what another layer of the same 'chain' costs",
    ),
    "a chain that meets itself": (
        lambda m: m["members"][1]["layers"].append(m["members"][1]["layers"][0]),
        "member 1: layers: field 'chain' is the same for two of them",
    ),
    "few classes": (lambda m: m.update(n_classes=2), r"search\.labels\.npy holds 2; with 2 classes, labels go to 1"),
    "no classes": (lambda m: m.update(n_classes=0), "there are 0 classes"),
    "many classes": (lambda m: m.update(n_classes=10**30), "from 1 to 65536 fit"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_manifest_is_refused_and_the_field_is_named(forged, what):
    change, message = FORGED[what]
    with pytest.raises(InputError, match=message) as caught:
        read_pool(forged(change))
    assert "pool" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(19, np.uint8), r"search\.labels\.npy has shape \(19,\)"),
        (np.zeros((20, 1), np.uint8), r"search\.labels\.npy has shape \(20, 1\)"),
        (np.zeros(20), r"search\.labels\.npy has shape \(20,\) and type float64; expected whole numbers"),
        (np.full(20, -1), r"search\.labels\.npy holds -1; labels start at 0"),
        (np.full(20, 7), r"search\.labels\.npy holds 7; with . classes, labels go to .\."),
        (np.array([{}] * 20), r"search\.labels\.npy cannot be read: Object arrays"),
    ],
)
def test_votes_that_do_not_fit_are_refused_even_if_they_are_listed(pool_folder, values, message):
    """A manifest lists whatever lies there: its fingerprints do not make it right."""
    path = pool_folder / "members" / "a" / "search.labels.npy"
    np.save(path, values, allow_pickle=True)
    manifest = json.loads((pool_folder / "pool.json").read_text())
    manifest["members"][0]["files"]["search.labels.npy"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (pool_folder / "pool.json").write_text(json.dumps(sealed(manifest)))
    with pytest.raises(InputError, match=message):
        read_pool(pool_folder)


@pytest.mark.parametrize("values", [np.zeros(19, np.uint8), np.zeros((20, 1), np.uint8), np.zeros(20)])
def test_answers_of_a_parent_that_do_not_fit_are_refused_even_if_they_are_listed(forged, pool_folder, values):
    path = pool_folder / "parent.test.labels.npy"
    np.save(path, values)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=r"parent\.test\.labels\.npy has shape .*; expected whole numbers, \(20,\)"):
        read_pool(forged(lambda manifest: manifest["parent_labels"].update(test=digest)))


def test_an_unfinished_member_is_not_mistaken_for_a_broken_one(pool_folder):
    path = pool_folder / "members" / "a" / "member.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "name": "b"}))
    with pytest.raises(InputError, match=r"member\.json: field 'name' is 'b'; expected 'a'"):
        read_member(pool_folder, "a")
    path.write_text(json.dumps({**content, "layers": None}))
    with pytest.raises(InputError, match=r"member\.json: field 'layers' is missing or not list"):
        read_member(pool_folder, "a")
    path.write_text("[]")
    with pytest.raises(InputError, match=r"member\.json: expected an object, found list"):
        read_member(pool_folder, "a")


# --- Any field, any type -------------------------------------------------------------------------------------------

OTHERS: list[Any] = [None, True, 0, -1, 1.5, 10**400, "", "x", "\ud800", [], [None], [[]], {}, {"": None}, {"a": {}}]


def places(content: Any, path: tuple = ()) -> Iterator[tuple]:
    """Where in a JSON document there is something."""
    yield path
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


def replaced(content: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


@pytest.mark.slow
@pytest.mark.parametrize("is_sealed", [True, False])
def test_whatever_stands_in_a_field_gives_a_pool_or_an_error_that_names_the_folder(pool_folder, is_sealed):
    path = pool_folder / "pool.json"
    manifest = json.loads(path.read_text())
    n_read = n_refused = 0
    for place in places(manifest):
        if len(place) > 1 and place[0] == "members" and place[1] > 0:
            continue  # the others are like the first one
        for value in OTHERS:
            other = replaced(manifest, place, value)
            if json.dumps(other) == json.dumps(manifest):
                continue
            path.write_text(json.dumps(sealed(other) if is_sealed and isinstance(other, dict) else other))
            try:
                assert isinstance(read_pool(pool_folder), StoredPool)
                n_read += 1
            except InputError as error:
                n_refused += 1
                if str(pool_folder) not in str(error):
                    pytest.fail(f"{error} does not name the file, after {place} became {value!r:.40}")
    assert n_refused > 200
    assert (n_read > 20) == is_sealed
    assert is_sealed or n_read == 0


@pytest.mark.parametrize("depth", [100, 900, 990, 3_000, 100_000])
def test_a_manifest_as_deep_as_a_well_is_refused(pool_folder, depth):
    path = pool_folder / "pool.json"
    deep = '{"x":' * depth + "1" + "}" * depth
    path.write_text(path.read_text().replace('"dataset": "none"', f'"dataset": {deep}'))
    with pytest.raises(InputError, match=r"pool\.json"):
        read_pool(pool_folder)


def test_a_pool_of_one_member_and_one_sample_is_a_pool(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    answers = {split: Answers(np.zeros(1, np.uint8), np.ones((1, 1), np.float32)) for split in ("search", "test")}
    write_member(folder, "only", origin={}, layers=[], report={}, answers=answers, weights=b"")
    for split in ("search", "test"):
        write_truth(folder, split, np.zeros(1, np.uint8))
        write_parent_labels(folder, split, np.zeros(1, np.uint8))
    (folder / "parent.safetensors").write_bytes(b"")
    write_manifest(folder, ["only"], problem="small", n_classes=1, about={})
    stored = read_pool(folder)
    assert (len(stored.pool), stored.pool.costs, stored.pool.shared) == (1, {}, ())
