"""A problem whose data set, network and compression method are its own, by name or as objects, from recipe to front."""

from dataclasses import replace

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool
from evo_ensyth.synthesis import (
    OtherParent,
    Quantisation,
    Recipe,
    Route,
    Training,
    build_pool,
    compression,
    consent,
    datasets,
    load_member,
    networks,
)
from evo_ensyth.synthesis.datasets import Dataset, Split
from evo_ensyth.synthesis.networks import small

MINE = """
from evo_ensyth.synthesis import FineTuning, Recipe, Training
from evo_ensyth.workspace import stored_problem

def recipe():
    return Recipe(
        dataset="mylab.data", n_search=100, network="mylab.net", training=Training(epochs=1),
        compressors=("mylab.rounding", "clone_and_prune"), fine_tunings=(FineTuning(name="tuned", epochs=1),),
        n_calibration=10,
    )

def problem():
    return stored_problem("mine")
"""


def example(family):
    """The example that a family's contract gives."""
    return family.__doc__.partition("For example::")[2].replace("\n    ", "\n")


def test_a_problem_with_a_data_set_a_network_and_a_method_of_its_own(call, tmp_path, monkeypatch):
    (tmp_path / "mylab").mkdir()
    for name, family in (("data", datasets), ("net", networks), ("rounding", compression)):
        (tmp_path / "mylab" / f"{name}.py").write_text(example(family))
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    made = call("pool", "build", "mine.py", "--workers", "0", "--json", "--quiet").json
    assert made["members"][0] == "rounding-2-tuned"
    assert len(made["members"]) == 9
    assert (made["about"]["dataset"], made["about"]["network"]) == ("mylab.data", "mylab.net")
    assert made["about"]["recipe"]["compressors"][0] == {"kind": "mylab.rounding.Rounding", "decimals": 2}
    fronts = [call("search", target, "--json", "--quiet").json["front"] for target in ("mine.py", "runs/mine/pool")]
    assert fronts[0]["hypervolume"] == fronts[1]["hypervolume"] > 0
    assert call("pool", "status", "mine.py", "--json").json["closed"]


def noise(seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 17, (60, 1, 8, 8), dtype=np.uint8)
    labels = rng.integers(0, 2, 60, dtype=np.uint8)
    return Dataset("noise", ("even", "odd"), Split(images[:40], labels[:40]), Split(images[40:], labels[40:]))


OWN = Recipe(
    dataset=noise(),
    n_search=20,
    network=small.build,
    training=Training(epochs=0),
    compressors=(Route(Quantisation(bits=(4,))), Route(Quantisation(bits=(2,)), parent="second")),
    fine_tunings=(),
    n_calibration=10,
    parents=(OtherParent(name="second", network=small.build, training=Training(epochs=0)),),
)


def test_a_data_set_and_a_network_that_are_objects(tmp_path, monkeypatch):
    build_pool(OWN, tmp_path / "pool", problem="own")
    stored = read_pool(tmp_path / "pool")
    assert (stored.about["dataset"], stored.about["network"]) == ("noise", "evo_ensyth.synthesis.networks.small.build")
    assert stored.about["parents"]["second"]["network"] == stored.about["network"]
    assert stored.about["recipe"]["dataset"]["kind"] == "datasets.Dataset"
    monkeypatch.setattr(consent, "_HANDED_OVER", set())  # networks of this package are free
    for name in stored.pool.names:
        assert load_member(stored, name).fc3.weight.unique().numel() > 2
    for stranger in ("small.build", "evo_ensyth.synthesis.networks.os.build", "evo_ensyth.files.build"):
        about = {**stored.about, "network": stranger}
        with pytest.raises(InputError, match=rf"field 'about\.network' names '{stranger}'"):
            load_member(replace(stored, about=about), stored.pool.names[0])
    # The same data and network under their names give the same votes.
    named = replace(OWN, dataset=noise, network="small", parents=(replace(OWN.parents[0], network="small"),))
    build_pool(named, tmp_path / "named", problem="own")
    np.testing.assert_array_equal(read_pool(tmp_path / "named").pool.search.y_pred, stored.pool.search.y_pred)


def test_a_pool_is_continued_with_equal_data_only(tmp_path):
    build_pool(OWN, tmp_path / "pool", problem="own")
    more = replace(OWN, dataset=noise(), compressors=(*OWN.compressors, Route(Quantisation(bits=(3,)))))
    build_pool(more, tmp_path / "pool", problem="own")
    assert len(read_pool(tmp_path / "pool").pool.names) == 3
    with pytest.raises(InputError, match="was begun with another recipe"):
        build_pool(replace(more, dataset=noise(seed=1)), tmp_path / "pool", problem="own")


def from_a_notebook(n_classes, rng):
    return small.build(n_classes, rng)


from_a_notebook.__module__ = "__main__"


@pytest.mark.parametrize(
    ("network", "shown"),
    [
        (from_a_notebook, "from_a_notebook"),
        (lambda n_classes, rng: small.build(n_classes, rng), "<lambda>"),
        (networks.build("small", 2, seed=1), "an object of type SequentialNetwork"),
        (7, "an object of type int"),
        (dict, "dict"),
    ],
)
def test_what_cannot_be_imported_again_is_refused(network, shown):
    with pytest.raises(InputError, match=f"^{shown} cannot be stored as a network; expected a name, or a function or"):
        replace(OWN, network=network)
    with pytest.raises(InputError, match="cannot be stored as a network"):
        OtherParent(name="second", network=network, training=Training(epochs=0))
    with pytest.raises(InputError, match="cannot be stored as a data set"):
        replace(OWN, dataset=network)
