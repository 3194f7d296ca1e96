"""``pick``: one ensemble of a run, by a rule on the search split."""

import pytest

from cli.by_hand import ENSEMBLE_KEYS


def test_the_recommended_ensemble_is_picked_without_a_rule(call, searched):
    said = call("pick", "run", "--json")
    assert said.status == 0
    assert list(said.json) == ["problem", "selector", "seed", "rule", "vote", *ENSEMBLE_KEYS]
    assert {key: said.json[key] for key in ENSEMBLE_KEYS} == searched["recommended"]
    assert (said.json["problem"], said.json["selector"], said.json["seed"]) == ("votes", "nsga2", 1)
    assert (said.json["rule"], said.json["vote"]) == ("recommended", "plurality, ties by log-odds")


def test_within_one_standard_error_means_the_smallest_ensemble_whose_error_is_that_close(call, searched):
    ensembles = searched["front"]["ensembles"]

    def error_of(ensemble: dict) -> float:
        return ensemble["search_errors"] / searched["n_search"]

    least = min(error_of(ensemble) for ensemble in ensembles)
    close = least + (least * (1 - least) / searched["n_search"]) ** 0.5
    smallest = min(len(e["indices"]) for e in ensembles if error_of(e) <= close)
    picked = call("pick", "run", "--within-one-standard-error", "--json").json
    assert len(picked["indices"]) == smallest
    assert picked["rule"] == "the smallest within one standard error"


def test_an_ensemble_is_picked_by_size_and_by_cost(call, searched):
    for ensemble in searched["front"]["ensembles"]:
        size = len(ensemble["indices"])
        assert call("pick", "run", "--size", size, "--json").json["indices"] == ensemble["indices"]
        watts, ms = ensemble["costs"]["watts"], ensemble["costs"]["ms"]
        assert watts == sum(i + 1 for i in ensemble["indices"])
        picked = call("pick", "run", "--at-most", f"watts={watts}", "--at-most", f"ms={ms}", "--json").json
        assert picked["costs"]["watts"] <= watts
        assert picked["costs"]["ms"] <= ms


def test_a_limit_on_what_was_not_minimised_says_that_cheaper_ensembles_may_exist(call, searched):
    said = call("pick", "run", "--at-most", "watts=99")
    assert said.err == (
        "evo_ensyth: watts was not minimised, so cheaper ensembles may exist: search with --objectives "
        "smoothed_error,n_members,watts.\n"
    )
    assert call("pick", "run", "--at-most", "n_members=3").err == ""


def test_a_person_sees_which_members_vote_how_well_and_compared_with_what(call, searched):
    ensemble = max(searched["front"]["ensembles"], key=lambda ensemble: len(ensemble["indices"]))
    size = len(ensemble["indices"])
    said = call("pick", "run", "--size", size).out
    for name in ensemble["members"]:
        assert f"  {name} (" in said
    low, high = ensemble["test_interval"]
    error = ensemble["test_errors"] / searched["n_test"]
    for text in (
        f"votes: {size} of 9 members, the best of size {size}",
        "vote: plurality, ties by log-odds",
        f"test error % (95 %): {100 * error:.2f} ({100 * low:.2f} to {100 * high:.2f})",
        "It is the whole pool, which needs no search",
        f"watts: {ensemble['costs']['watts']:g}",
    ):
        assert text in said


def test_the_knee_lies_between_the_ends(call, searched):
    sizes = [len(ensemble["indices"]) for ensemble in searched["front"]["ensembles"]]
    assert min(sizes) < len(call("pick", "run", "--knee", "--json").json["indices"]) < max(sizes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere/run.json does not exist"),
        (["votes.npz"], "votes.npz/run.json"),
        (["run", "--size", "0"], "--size"),
        (["run", "--size", "99"], "no ensemble of 99 members is on this front; the nearest in size has "),
        (["run", "--at-most", "watts=0"], "no ensemble of this front costs so little; the nearest has watts="),
        (["run", "--at-most", "wats=5"], "no cost in this run called 'wats'. Did you mean 'watts'?"),
        (["run", "--at-most", "watts"], "'watts' is no limit; write NAME=VALUE"),
        (["run", "--size", "2", "--knee"], "are one rule each: give one"),
    ],
)
def test_what_cannot_be_picked_takes_one_line(refused, searched, arguments, message):
    assert message in refused("pick", *arguments)
