"""Building: one small pool, against itself after every kind of interruption."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from digests import contents
from safetensors.numpy import load_file
from torch import nn

from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool
from evo_ensyth.io.pool_folder import read_member
from evo_ensyth.synthesis import (
    BuildFolder,
    BuildStatus,
    Latency,
    Quantisation,
    build_pool,
    datasets,
    measure,
    networks,
)
from evo_ensyth.synthesis.compression import Variant, silent
from evo_ensyth.synthesis.recipe import Recipe, Route, ensyth_regimes
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.settings import as_json
from evo_ensyth.synthesis.training import FineTuning, Training


@dataclass(frozen=True)
class Smallest:
    """Stands in for a real method: the smallest share of every dense layer's weights becomes zero."""

    shares: tuple[float, ...] = (0.3, 0.6)
    name: str = "smallest"
    beyond: float = 0.0

    def names(self):
        return tuple(f"{self.name}-{share:g}" for share in self.shares)

    def variants(self, parent, inputs, *, seed, scratch=None, progress=silent):
        assert scratch is not None
        assert scratch.is_dir()
        for share in self.shares:
            progress(f"sorting for {share:g}")
            model = copy.deepcopy(parent)
            for layer in model.modules():
                if isinstance(layer, nn.Linear):
                    threshold = layer.weight.abs().quantile(share + self.beyond)
                    layer.weight.data[layer.weight.abs() < threshold] = 0
                    layer.weight.data = layer.weight.data.T.contiguous().T  # A method may leave what is no plain array.
            yield Variant(
                f"{self.name}-{share:g}",
                {"method": self.name, "share": share},
                model,
                {"images": len(inputs.calibration)},
            )


@dataclass(frozen=True)
class Wrapped:
    """Stands in for a control: asks another method, in the scratch folder of that one."""

    of: Smallest

    def names(self):
        return tuple(f"like-{name}" for name in self.of.names())

    def variants(self, parent, inputs, *, seed, scratch=None, progress=silent):
        for variant in self.of.variants(parent, inputs, seed=seed, scratch=scratch, progress=progress):
            yield Variant(f"like-{variant.name}", {"method": "wrapped"}, variant.model, {})


REGIMES = ensyth_regimes(FineTuning(name="plain", epochs=1, batch=50, learning_rate=0.05), ("fc1", "fc2", "fc3"))
RECIPE = Recipe(
    dataset="digits",
    n_search=500,
    network="small",
    training=Training(epochs=3, learning_rate=0.005, batch=50),
    compressors=(Smallest(),),
    fine_tunings=REGIMES,
    n_calibration=100,
    controls=(Wrapped(Smallest()),),
)
MEMBERS = [f"smallest-{share}-set{number}" for share in ("0.3", "0.6") for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A pool that was built in one go."""
    folder = tmp_path_factory.mktemp("runs") / "pool"
    build_pool(RECIPE, folder, problem="tiny")
    return folder


# What is built


def test_members_are_variants_times_regimes_in_grid_order(whole):
    stored = read_pool(whole)
    assert list(stored.pool.names) == MEMBERS
    assert stored.problem == "tiny"
    assert [origin["fine_tuning"] for origin in stored.pool.members.origins] == ["set1", "set2", "set3"] * 2
    assert [origin["share"] for origin in stored.pool.members.origins] == [0.3] * 3 + [0.6] * 3


def test_the_grid_of_ensyth_has_36_names(tmp_path):
    shares = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    quick = tuple(replace(regime, epochs=0) for regime in REGIMES)
    recipe = replace(RECIPE, compressors=(Smallest(shares, "net_trim"),), fine_tunings=quick, controls=())
    build_pool(replace(recipe, training=Training(epochs=0)), tmp_path / "pool", problem="tiny")
    names = read_pool(tmp_path / "pool").pool.names
    assert len(set(names)) == 36
    assert names[0] == "net_trim-0.01-set1"
    assert names[-1] == "net_trim-0.7-set3"


def test_nothing_half_made_is_left(whole):
    labels = ["parent.search.labels.npy", "parent.test.labels.npy"]
    places = ["controls", "members", "parent.safetensors", *labels, "pool.json", "recipe.json"]
    assert sorted(path.name for path in whole.iterdir()) == sorted([*places, "search.truth.npy", "test.truth.npy"])
    assert not list(whole.rglob("*.part"))


def test_what_a_member_answers_is_what_its_weights_compute(whole):
    stored = read_pool(whole)
    splits = datasets.load("digits").splits(500, derived_seed(RECIPE.seed, "splits"))
    for row, name in enumerate(stored.pool.names):
        network = networks.build("small", 10, seed=9)
        weights = load_file(whole / "members" / name / "weights.safetensors")
        network.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
        for votes in (stored.pool.search, stored.pool.test):
            np.testing.assert_array_equal(votes.y_true, splits[votes.split].y_true)
            np.testing.assert_array_equal(votes.y_pred[row], measure.predict(network, splits[votes.split]).y_pred)


def test_members_of_one_variant_have_one_support_and_other_weights(whole):
    first, second, third = (load_file(whole / "members" / name / "weights.safetensors") for name in MEMBERS[:3])
    for name in ("fc1.weight", "fc2.weight", "fc3.weight"):
        zeros = first[name] == 0
        assert 0.25 < zeros.mean() < 0.35
        for other in (second, third):
            np.testing.assert_array_equal(other[name] == 0, zeros)
            assert not np.array_equal(other[name], first[name])


def test_the_report_of_a_member_compares_before_and_after_fine_tuning(whole):
    report = read_member(whole, MEMBERS[3])["report"]
    stored = read_pool(whole)
    assert report["accuracy"]["test"] == 1 - stored.pool.test.member_errors[3] / 500
    assert report["accuracy"]["search"] == 1 - stored.pool.search.member_errors[3] / 500
    # A parent cut to 40 % without fine-tuning is worse than after it.
    assert report["accuracy_before_fine_tuning"]["search"] < report["accuracy"]["search"]
    assert 0.35 < report["density"]["fc1"] < 0.45
    assert report["density"]["conv1"] == 1
    assert report["compression"] == {"images": 100}


def test_the_manifest_describes_parent_recipe_and_controls(whole):
    about = read_pool(whole).about
    assert about["dataset"] == "digits"
    assert about["network"] == "small"
    assert about["samples"] == {"train": 797, "search": 500, "test": 500}
    assert about["recipe"] == as_json(RECIPE) == json.loads(json.dumps(as_json(RECIPE)))
    assert about["parent"]["parameters"] == 15_010
    assert about["parent"]["accuracy"]["test"] > 0.6
    parent = read_pool(whole).pool.parent
    assert parent.costs == {cost: about["parent"][cost] for cost in ("parameters", "bytes", "macs", "sparse_macs")}
    for votes in (read_pool(whole).pool.search, read_pool(whole).pool.test):
        assert np.mean(parent.y_pred[votes.split] == votes.y_true) == about["parent"]["accuracy"][votes.split]
    assert [control["name"] for control in about["controls"]] == ["like-smallest-0.3-set1", "like-smallest-0.6-set1"]
    for control in about["controls"]:
        member = read_member(whole / "controls", control["name"])
        assert control["accuracy"] == member["report"]["accuracy"]
        assert control["parameters"] == sum(layer["costs"]["parameters"] for layer in member["layers"])


def test_members_with_frozen_convolutions_share_their_trunk(tmp_path):
    frozen = tuple(replace(regime, convolutions=False) for regime in REGIMES)
    build_pool(replace(RECIPE, fine_tunings=frozen, controls=()), tmp_path / "pool", problem="tiny")
    (shared,) = read_pool(tmp_path / "pool").pool.shared
    assert shared.name == "conv1+conv2"
    assert shared.members.all()
    assert shared.costs["parameters"] == 1_248


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A pool with frozen convolutions whose latency was measured after it was made."""
    folder = tmp_path_factory.mktemp("runs") / "pool"
    frozen = tuple(replace(regime, convolutions=False) for regime in REGIMES[:2])
    recipe = replace(RECIPE, fine_tunings=frozen, controls=())
    build_pool(recipe, folder, problem="tiny")
    before = contents(folder)
    recipe = replace(recipe, latency=Latency(batch=2, repeats=3))
    build_pool(recipe, folder, problem="tiny")
    return recipe, folder, before


def test_latency_is_a_cost_of_which_a_shared_trunk_has_its_part(measured):
    stored = read_pool(measured[1])
    (shared,) = stored.pool.shared
    latency = stored.pool.costs["latency_ms"]
    assert (latency > shared.costs["latency_ms"]).all()
    assert shared.costs["latency_ms"] > 0
    assert stored.pool.parent.costs["latency_ms"] > 0
    both = np.array([[True, True, False, False]])
    total = Ensembles(both, stored.pool.members, stored.pool.search).total("latency_ms")
    np.testing.assert_allclose(total, latency[:2].sum() - shared.costs["latency_ms"])


def test_latency_is_measured_once_and_changes_nothing_else(measured):
    recipe, folder, before = measured
    after = contents(folder)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"pool.json", "recipe.json", *(f"members/{m}/member.json" for m in read_pool(folder).pool.names)}
    assert after.keys() == before.keys()
    build_pool(recipe, folder, problem="tiny")
    assert contents(folder) == after
    (folder / "pool.json").unlink()
    build_pool(recipe, folder, problem="tiny")
    assert {name for name in after if contents(folder)[name] != after[name]} <= {"pool.json"}  # the parent's, once more


def test_a_member_records_how_its_latency_was_measured(measured):
    report = read_member(measured[1], "smallest-0.3-set1")["report"]
    assert report["latency"] == measure.runtime(Latency(batch=2, repeats=3))
    assert report["latency"]["runtime"] == f"torch {torch.__version__}"
    assert report["accuracy"]["search"] > 0.5


def test_latencies_that_were_measured_are_not_mixed_with_others(measured):
    recipe, folder, _ = measured
    for latency in (None, Latency(batch=3)):
        with pytest.raises(InputError, match="was begun with another recipe"):
            build_pool(replace(recipe, latency=latency), folder, problem="tiny")


# Once and again


def test_a_finished_pool_is_left_alone(whole):
    before, messages = contents(whole), []
    build_pool(RECIPE, whole, problem="tiny", progress=lambda *what: messages.append(what))
    assert contents(whole) == before
    assert messages == []


def test_the_same_recipe_gives_the_same_pool_in_another_folder(whole, tmp_path):
    build_pool(RECIPE, tmp_path / "pool", problem="tiny")
    assert contents(tmp_path / "pool") == contents(whole)


def test_weights_do_not_depend_on_the_order_of_members(whole, tmp_path):
    turned = replace(RECIPE, compressors=(Smallest((0.6, 0.3)),), fine_tunings=REGIMES[::-1], controls=())
    build_pool(turned, tmp_path / "pool", problem="tiny")
    for name in MEMBERS:
        weights = (folder / "members" / name / "weights.safetensors" for folder in (whole, tmp_path / "pool"))
        one, other = (path.read_bytes() for path in weights)
        assert one == other


def test_members_of_one_variant_and_one_regime_differ_by_their_names(tmp_path):
    """Each draws from a seed of its own."""
    twins = tuple(replace(REGIMES[0], name=name) for name in ("left", "right"))
    build_pool(replace(RECIPE, fine_tunings=twins, controls=()), tmp_path / "pool", problem="tiny")
    weights = (
        tmp_path / "pool" / "members" / f"smallest-0.3-{name}" / "weights.safetensors" for name in ("left", "right")
    )
    left, right = (path.read_bytes() for path in weights)
    assert left != right


def test_another_seed_gives_other_members(whole, tmp_path):
    build_pool(replace(RECIPE, seed=2), tmp_path / "pool", problem="tiny")
    one, other = (contents(folder) for folder in (whole, tmp_path / "pool"))
    assert one.keys() == other.keys()
    assert not any(one[file] == other[file] for file in one if file.endswith((".safetensors", "scores.npy")))


# More of it


def test_what_a_recipe_is_added_is_made_and_nothing_else(whole, tmp_path):
    folder = tmp_path / "pool"
    smaller = replace(RECIPE, compressors=(Wrapped(Smallest()),), fine_tunings=REGIMES[::2], controls=())
    build_pool(smaller, folder, problem="tiny")
    larger = replace(smaller, compressors=(Smallest(), *smaller.compressors), fine_tunings=REGIMES, controls=())
    before = {path: path.stat().st_mtime_ns for path in folder.glob("members/*/*")}
    assert BuildFolder(folder, larger, "tiny").status() == BuildStatus(
        made=("like-smallest-0.3-set1", "like-smallest-0.3-set3", "like-smallest-0.6-set1", "like-smallest-0.6-set3"),
        missing=(*MEMBERS, "like-smallest-0.3-set2", "like-smallest-0.6-set2"),
        failed={},
        closed=False,
    )
    messages = []
    build_pool(larger, folder, problem="tiny", progress=lambda *what: messages.append(what))
    assert [what[0] for what in messages if what[2] in MEMBERS] == [4, 5, 6, 7, 8, 9]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert list(read_pool(folder).pool.names)[:6] == MEMBERS
    build_pool(larger, tmp_path / "at-once", problem="tiny")
    assert contents(folder) == contents(tmp_path / "at-once")


def test_a_pool_to_which_members_are_being_added_can_be_searched_as_it_was(whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "pool"))

    def interrupt(done, total, text):
        raise InterruptionError

    larger = replace(RECIPE, compressors=(Smallest(), Route(Smallest((0.4,), "more"))))
    with pytest.raises(InterruptionError):
        build_pool(larger, folder, problem="tiny", progress=interrupt)
    assert list(read_pool(folder).pool.names) == MEMBERS
    assert BuildFolder(folder, larger, "tiny").status().missing == ("more-0.4",)


def test_what_is_not_made_yet_may_change(whole, tmp_path):
    """Even if something of the kind has been begun."""
    calls = []

    def interrupt(done, total, text):
        calls.append(text)
        if text == "smallest-0.6":
            raise InterruptionError

    other = replace(RECIPE, compressors=(Smallest(beyond=0.1),))
    with pytest.raises(InterruptionError):
        build_pool(other, tmp_path / "pool", problem="tiny", progress=interrupt)
    assert (tmp_path / "pool" / "work").exists()
    build_pool(RECIPE, tmp_path / "pool", problem="tiny")
    assert contents(tmp_path / "pool") == contents(whole)


def test_a_folder_of_an_earlier_version_is_known_by_its_recipe_and_then_by_its_members(whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "pool"))
    claimed = json.loads((folder / "recipe.json").read_text())
    del claimed["members"]
    (folder / "recipe.json").write_text(json.dumps(claimed))
    larger = replace(RECIPE, compressors=(*RECIPE.compressors, Route(Quantisation((4,)))))
    with pytest.raises(InputError, match="was begun with another recipe"):
        build_pool(larger, folder, problem="tiny")
    build_pool(RECIPE, folder, problem="tiny")
    assert contents(folder) == contents(whole)
    build_pool(larger, folder, problem="tiny")
    assert list(read_pool(folder).pool.names) == [*MEMBERS, "quantisation-4"]


class InterruptionError(Exception):
    pass


@pytest.mark.parametrize("call", [1, 3, 8, 9, 10, 12, 15, 17])
def test_a_build_that_was_interrupted_ends_with_the_same_pool(whole, tmp_path, call):
    """The calls fall into the training of the parent, the compressions, and the making of members and controls."""
    folder, calls = tmp_path / "pool", []

    def interrupt(done, total, text):
        calls.append(text)
        if len(calls) == call:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        build_pool(RECIPE, folder, problem="tiny", progress=interrupt)
    assert not (folder / "pool.json").exists()
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("members/*/member.json")}
    build_pool(RECIPE, folder, problem="tiny")
    assert {path: path.stat().st_mtime_ns for path in finished} == finished  # Nothing was made twice.
    assert contents(folder) == contents(whole)


def test_a_parent_goes_on_from_its_last_epoch(tmp_path):
    def interrupt(done, total, text):
        if "epoch 3" in text:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        build_pool(RECIPE, tmp_path / "pool", problem="tiny", progress=interrupt)
    messages = []
    build_pool(RECIPE, tmp_path / "pool", problem="tiny", progress=lambda *what: messages.append(what))
    assert messages[0][2].startswith("parent, epoch 3 of 3")


def test_a_build_that_was_killed_ends_with_the_same_pool(whole, tmp_path):
    folder = tmp_path / "pool"
    program = f"import test_build; test_build.build_pool(test_build.RECIPE, {str(folder)!r}, problem='tiny')"
    paths = [str(Path(__file__).parents[up]) for up in range(3)]
    process = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("members/*/member.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(folder.glob("members/*/member.json"))
    assert not (folder / "pool.json").exists()
    (folder / "members" / ".left-by-a-kill.x.part").mkdir()
    (folder / ".left-by-a-kill.x.part").write_bytes(b"")
    build_pool(RECIPE, folder, problem="tiny")
    assert contents(folder) == contents(whole)
    assert not list(folder.rglob("*.part"))


def test_messages_of_a_method_reach_the_progress(tmp_path):
    messages = []
    build_pool(RECIPE, tmp_path / "pool", problem="tiny", progress=lambda *what: messages.append(what))
    texts = [text for _, _, text in messages]
    assert texts.index("sorting for 0.3") < texts.index("smallest-0.3") < texts.index("sorting for 0.6")


def test_progress_counts_members(tmp_path):
    messages = []
    build_pool(RECIPE, tmp_path / "pool", problem="tiny", progress=lambda *what: messages.append(what))
    assert messages[-1] == (8, 8, "all members")
    assert [what for what in messages if what[2] in MEMBERS] == [(n, 8, name) for n, name in enumerate(MEMBERS)]
    assert messages[0][2].startswith("parent, epoch 1 of 3, loss ")


# Errors


def test_a_pool_that_was_made_for_another_problem_is_refused(whole):
    with pytest.raises(InputError, match="was begun with another recipe"):
        build_pool(RECIPE, whole, problem="huge")


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"training": Training(epochs=4)}, {"compressors": (Smallest((0.3,)),)}]
)
def test_a_folder_begun_with_another_recipe_is_refused(whole, change):
    with pytest.raises(InputError, match=r"pool was begun with another recipe; remove it, or name another folder"):
        build_pool(replace(RECIPE, **change), whole, problem="tiny")


def test_what_is_made_already_cannot_be_asked_for_in_another_way(whole):
    less = replace(RECIPE, fine_tunings=REGIMES[:2])
    with pytest.raises(InputError, match=r"but smallest-0\.3-set3 and 1 more would now be made differently, or not"):
        BuildFolder(whole, less, "tiny").status()
    other = replace(RECIPE, controls=())
    with pytest.raises(InputError, match=r"but controls/like-smallest-0\.3-set1 and 1 more would now be made"):
        build_pool(other, whole, problem="tiny")


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("all my work")
    with pytest.raises(InputError, match=r"has files in it but no recipe\.json, so it is not a pool"):
        build_pool(RECIPE, tmp_path, problem="tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_images_that_the_network_cannot_see_are_refused(tmp_path):
    expected = r"the network 'lenet' sees images of shape \(1, 28, 28\); those of 'digits' have \(1, 8, 8\)"
    with pytest.raises(InputError, match=expected):
        build_pool(replace(RECIPE, network="lenet"), tmp_path / "pool", problem="tiny")
    assert not (tmp_path / "pool").exists()  # The corrected recipe may have the folder.


def test_more_calibration_than_training_samples_is_refused(tmp_path):
    with pytest.raises(InputError, match="n_calibration is 798; there are 797 training samples"):
        build_pool(replace(RECIPE, n_calibration=798), tmp_path / "pool", problem="tiny")


def test_two_variants_of_one_name_are_refused(tmp_path):
    twice = replace(RECIPE, compressors=(Smallest((0.3,)), Smallest((0.3, 0.5))), training=Training(epochs=0))
    with pytest.raises(InputError, match=r"two variants are called 'smallest-0\.3'"):
        build_pool(twice, tmp_path / "pool", problem="tiny")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"compressors": ()}, "the recipe has no compressors"),
        ({"fine_tunings": ()}, "the recipe has no fine_tunings"),
        ({"fine_tunings": (), "compressors": (Route(Smallest()),)}, "the recipe has no fine_tunings"),  # for controls
        ({"fine_tunings": REGIMES[:1] * 2}, "the fine-tunings are called set1, set1; give each a name of its own"),
        ({"n_calibration": 0}, "n_calibration is 0; it must be 1 or more"),
        ({"threads": 0}, "threads is 0; it must be 1 or more"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(change, complaint):
    with pytest.raises(InputError, match=complaint):
        replace(RECIPE, **change)


def test_a_recipe_of_routes_needs_no_fine_tuning():
    recipe = replace(RECIPE, compressors=(Route(Smallest()),), fine_tunings=(), controls=())
    assert [member.name for member in recipe.members()] == ["smallest-0.3", "smallest-0.6"]


# Regimes


def test_the_regimes_are_those_of_the_paper():
    plain_tuning = FineTuning(name="plain", epochs=2)
    one, two, three = ensyth_regimes(plain_tuning, ("fc1", "fc2", "fc3"))
    assert (one.l2, one.keep) == ((), 1.0)
    assert (two.l2, two.keep) == ((("fc1", 0.004), ("fc2", 0.004)), 1.0)
    assert (three.l2, three.keep) == ((("fc1", 0.004), ("fc2", 0.004), ("fc3", 0.004)), 0.5)
    assert [regime.name for regime in (one, two, three)] == ["set1", "set2", "set3"]
    assert {regime.epochs for regime in (one, two, three)} == {2}


def test_a_setting_that_json_cannot_hold_is_refused():
    with pytest.raises(InputError, match="its settings must be dataclasses, numbers, text, or lists of these"):
        as_json({"rng": np.random.default_rng(0)})
