"""Names that changed work for one more version: the same result, and a hint on standard error."""

import json

import pytest

from evo_ensyth import workspace
from evo_ensyth.cli.old_names import with_new_names


def hint_of(old: str, new: str) -> str:
    return f"evo_ensyth: '{old}' is now '{new}'; the old name will be removed.\n"


def without_times(run: dict) -> dict:
    """Take away what differs between two runs of one search."""
    for front in (run["front"], *run["baselines"]):
        front["seconds"], front["seconds_compiling"] = None, None
        front["history"] = [one["hypervolume"] for one in front["history"]]
    return {name: value for name, value in run.items() if name not in ("time", "command", "folder")}


@pytest.mark.parametrize("join", [False, True])
def test_an_old_option_of_search_does_what_the_new_one_does(call, npz, arrays, join):
    path = npz(arrays)

    def search(option: str):
        return call("search", path, "--json", "--budget", 100, *([f"{option}=random"] if join else [option, "random"]))

    said = search("--against")
    assert (said.status, said.err) == (0, hint_of("--against", "--baseline"))
    renamed = search("--baseline")
    assert (renamed.status, renamed.err) == (0, "")
    assert without_times(said.json) == without_times(renamed.json)
    assert said.json["baselines"][0]["selector"] == "random"


@pytest.mark.parametrize(
    ("old", "objectives"),
    [
        (["--guide", "smoothed_error"], "smoothed_error,n_members"),
        (["--criterion=smoothed_error"], "smoothed_error,n_members"),
        (["--objectives", "latency, error", "--guide", "shrunk_error"], "latency,shrunk_error"),
    ],
)
def test_what_used_to_guide_is_an_objective(call, npz, arrays, old, objectives):
    """``--guide`` replaced the error in the search and not in the tables."""
    said = call("search", npz(arrays), "--json", "--budget", 100, *old)
    assert said.status == 0
    assert said.json["objectives"] == objectives.split(",")
    assert said.err.startswith("evo_ensyth: '--")
    assert f"is now '--objectives {objectives}'; the old" in said.err


def test_an_old_option_twice_has_two_hints(call, npz, arrays):
    said = call("search", npz(arrays), "--quiet", "--against", "random", "--against=single_best")
    assert said.err == 2 * hint_of("--against", "--baseline")


def test_report_is_compare(call, npz, arrays, tmp_path):
    call("search", npz(arrays), "--out", "run")
    said = call("report", "run", "--json", "--out", "old")
    assert (said.status, said.err) == (0, hint_of("report", "compare"))
    assert said.json == call("compare", "run", "--json", "--out", "new").json
    pages = [(tmp_path / folder / "report.md").read_bytes() for folder in ("old", "new")]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("old", "hint"),
    [
        (["make", "digits"], hint_of("make", "build")),
        (
            ["digits"],
            "evo_ensyth: 'pool digits' is now 'pool build digits'; the old form will be removed.\n",
        ),
    ],
)
def test_a_pool_is_built_by_its_old_names(call, old, hint):
    options = ("--dry-run", "--json")
    said = call("pool", *old, *options)
    assert (said.status, said.err) == (0, hint)
    plan, renamed = said.json, call("pool", "build", "digits", *options).json
    assert plan.pop("estimate").keys() == renamed.pop("estimate").keys()  # it measures this machine anew
    assert plan == renamed


def test_options_may_come_before_the_problem(call):
    """As in ``pool --dry-run digits``, which the earlier version took."""
    said = call("pool", "--dry-run", "digits", "--json")
    assert said.status == 0
    assert said.json["problem"] == "digits"
    assert "'pool --dry-run' is now 'pool build --dry-run'" in said.err


@pytest.mark.parametrize("target", ["mine.py", "lab.mine"])
def test_the_pool_of_ones_own_problem_is_built_by_the_old_form(call, tmp_path, monkeypatch, target):
    built = []

    def build(name, progress, **options):
        built.append(name)
        raise workspace.InputError("that is enough.")

    monkeypatch.setattr(workspace, "build_pool", build)
    said = call("pool", target)
    hint, message = said.err.splitlines()
    assert hint == f"evo_ensyth: 'pool {target}' is now 'pool build {target}'; the old form will be removed."
    assert message == "evo_ensyth: that is enough."
    assert built == [target]


@pytest.mark.parametrize(
    ("word", "nearest"), [("statsu", "status"), ("shwo", "show"), ("biuld", "build"), ("exprot", "export")]
)
def test_a_misspelt_command_is_not_taken_for_a_problem(refused, word, nearest):
    message = refused("pool", word, "digits")
    assert message == (
        f"evo_ensyth: no command of 'pool' called '{word}'. Did you mean '{nearest}'? "
        "There is build, export, measure, show, status.\n"
    )


def test_a_value_that_looks_like_an_old_name_stays(call, npz, arrays):
    """Only options of ``search`` were renamed, and values are no options."""
    said = call("search", npz(arrays), "--quiet", "--out", "report")
    assert (said.out, said.err) == ("report\n", "")
    said = call("compare", "report", "--quiet", "--out", "make")
    assert (said.out, said.err) == ("make\n", "")
    assert call("pick", "report", "--json").err == ""


@pytest.mark.parametrize(
    "arguments",
    [[], ["search"], ["search", "x.npz", "--objectives", "error"], ["pool"], ["pool", "status", "make"], ["--help"]],
)
def test_new_names_stay_as_they_are(arguments):
    def never(text: str) -> None:
        raise AssertionError(text)

    assert with_new_names(arguments, lambda word: False, never) == arguments


def test_json_stays_whole_whatever_is_hinted(call, npz, arrays):
    said = call("search", npz(arrays), "--against", "random", "--json")
    assert json.loads(said.out)["baselines"][0]["selector"] == "random"
    assert "--against" not in said.out
