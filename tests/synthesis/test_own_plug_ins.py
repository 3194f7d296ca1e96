"""A problem whose data set, network and compression method are modules of its own, from recipe to front."""

from evo_ensyth.synthesis import compression, datasets, networks

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
