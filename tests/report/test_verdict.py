"""The verdict: three sentences, against what they must say of a run made by hand."""

from dataclasses import replace

import pytest

from evo_ensyth.report.verdict import beside_simpler, expected_error, verdict
from evo_ensyth.results.comparison import Discordant
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.estimate import Estimate
from evo_ensyth.results.front import Front
from evo_ensyth.results.metric import Difference, Metric
from evo_ensyth.results.run import Run

NAMES = ("ant", "bee", "cow", "dog")
EVEN, LOST, WON = Discordant((0, 9), (6, 8)), Discordant((0, 9), (40, 8)), Discordant((0, 9), (8, 40))


def ensemble(indices: tuple[int, ...], *, test: bool = True, **discordant: Discordant) -> Ensemble:
    values = {"error": 0.1, "n_members": float(len(indices))}
    if not test:
        discordant = {name: Discordant(pair.search, None) for name, pair in discordant.items()}
    members = tuple(NAMES[i] for i in indices)
    return Ensemble(
        indices, members, values, values if test else None, 100, 120 if test else None, discordant=discordant
    )


def made(*front: Ensemble, recommended: int = 0, **fields) -> Run:
    test = front[0].test is not None
    splits = ("search", "test") if test else ("search",)
    settings = {
        "problem": "hand", "seed": 3, "budget": None, "seconds_limit": None, "objectives": ("error", "n_members"),
        "units": ("", ""), "reference_point": (1.0, 5.0), "n_members": 4, "n_search": 1_000,
        "n_test": 1_000 if test else None, "front": Front("nsga2", {}, 10, 1.0, 5.0, front), "baselines": (),
        "recommended_index": recommended, "single_best": ensemble((0,), test=test),
        "whole_pool": ensemble((0, 1, 2, 3), test=test), "fingerprints": dict.fromkeys(splits, "0"), "source": {},
        "interrupted": False, "versions": {}, "vote": "half, tempered",
    }  # fmt: skip
    return Run(**(settings | fields))


def test_the_first_sentence_names_all_members_and_their_vote():
    run = made(ensemble((0, 2, 3), best_k=EVEN))
    assert verdict(run)[0] == "Take these 3 of 4 members (vote: half, tempered): ant, cow, dog."
    assert verdict(made(ensemble((1,))))[0] == "Take this one of 4 members (vote: half, tempered): bee."


def test_the_second_sentence_tells_the_estimate_from_the_test_error():
    estimate = Estimate(110, 1_000, 10)
    low, high = (100 * end for end in estimate.interval)
    expected = (
        f"Expect an error of 11.00 % (95 % interval: {low:.2f} to {high:.2f}) on unseen samples, by 10-fold nested"
    )
    tested = "12.00 % (95 % interval: 10.13 to 14.16)"
    pair, single = ensemble((1, 2), best_k=EVEN), ensemble((0,))
    run = made(pair, single, estimate=estimate)
    assert verdict(run)[1] == f"{expected} estimate; on the test split it is {tested}."
    # The estimate is not that of another ensemble.
    assert (
        expected_error(run, run.front[1]) == f"On the test split, which the search has not seen, its error is {tested}."
    )
    untested = ensemble((1, 2), test=False, best_k=EVEN)
    assert verdict(made(untested, estimate=estimate))[1] == f"{expected} estimate; there is no test split."
    assert "is unknown" in verdict(made(untested))[1]


@pytest.mark.parametrize(
    ("discordant", "expected"),
    [
        (
            {"best_k": WON, "single_best": WON, "whole_pool": WON},
            "Nothing simpler is as good: it beats the best 2 members (-3.20 points, p below 0.001), the best single "
            "member (-3.20 points, p below 0.001) and the whole pool (-3.20 points, p below 0.001).",
        ),
        (
            {"best_k": EVEN, "single_best": EVEN, "whole_pool": WON},
            "Something simpler may be as good: it is not shown to beat the best 2 members (-0.20 points, p 0.79) or "
            "the best single member (-0.20 points, p 0.79); it beats the whole pool (-3.20 points, p below 0.001); no "
            "ensemble is shown to beat the best single member.",
        ),
        (
            {"best_k": WON, "single_best": WON, "whole_pool": LOST},
            "Something simpler is better: it is worse than the whole pool (+3.20 points, p below 0.001); it beats the "
            "best 2 members (-3.20 points, p below 0.001) and the best single member (-3.20 points, p below 0.001).",
        ),
        (
            {"best_k": WON, "single_best": WON, "whole_pool": WON, "parent": LOST},
            "Nothing simpler is as good: it is worse than the parent (+3.20 points, p below 0.001); it beats the best "
            "2 members (-3.20 points, p below 0.001), the best single member (-3.20 points, p below 0.001) and the "
            "whole pool (-3.20 points, p below 0.001).",
        ),
        (
            {"single_best": WON},
            "These are the best 2 members, which need no search; it beats the best single member (-3.20 points, p "
            "below 0.001).",
        ),
        ({}, "Whether anything simpler is as good is unknown: the run compares it with nothing."),
    ],
)  # fmt: skip
def test_the_third_sentence_says_whether_anything_simpler_is_as_good(discordant, expected):
    assert verdict(made(ensemble((1, 2), **discordant)))[2] == expected


def test_of_the_best_single_member_it_says_whether_an_ensemble_beats_it():
    single = ensemble((0,), whole_pool=EVEN)
    told = "and no ensemble is shown to beat it; it is not shown to beat the whole pool (-0.20 points, p 0.79)."
    assert verdict(made(single))[2] == f"It is the best single member, {told}"
    better = made(single, ensemble((1, 2), single_best=WON))
    assert verdict(better)[2].startswith("It is the best single member, and 1 on this front is shown to beat it;")


def test_p_values_are_those_of_the_table_corrected_for_the_front():
    """The pair alone would be better than the best single member; among three ensembles it is not shown to be."""
    close = Discordant((0, 9), (4, 15))  # p 0.019
    run = made(
        ensemble((1, 2), single_best=close), ensemble((1, 3), single_best=EVEN), ensemble((0, 3), single_best=EVEN)
    )
    comparison = run.recommended.comparisons["single_best"]
    assert comparison.p_value < 0.05 < comparison.corrected
    assert f"not shown to beat the best single member (-1.10 points, p {comparison.corrected:.2g})" in verdict(run)[2]


def test_without_a_test_split_it_tells_the_search_split_and_trusts_it_not():
    run = made(ensemble((1, 2), test=False, best_k=EVEN, whole_pool=EVEN))
    assert beside_simpler(run, run.recommended) == (
        "On the search split, where it was chosen, its error is -0.90 points beside the best 2 members and -0.90 "
        "points beside the whole pool, and no test split tells how much of that is luck."
    )


def test_it_says_where_the_test_split_is_harder_or_easier():
    """Of 1,000 samples each, 100 errors beside 120 may be luck; beside 180 or 40 they are not."""
    told = {}
    for n_errors in (40, 120, 180):
        whole = replace(ensemble((0, 1, 2, 3)), test_errors=n_errors)
        told[n_errors] = verdict(made(ensemble((1, 2), best_k=EVEN), whole_pool=whole))[1]
    assert told[120].endswith("10.13 to 14.16).")
    for n_errors, word in ((40, "easier"), (180, "harder")):
        pools = f"the whole pool errs on 10.00 % of the search split and on {n_errors / 10:.2f} % of this"
        assert told[n_errors].endswith(f"10.13 to 14.16) (that split is {word}: {pools}).")


@pytest.mark.parametrize(
    ("interval", "start"),
    [
        ((-0.05, -0.01), "Nothing simpler is as good"),
        ((-0.05, 0.01), "Something simpler may be as good"),
        ((0.01, 0.05), "Something simpler is better"),
    ],
)
def test_where_a_metric_led_the_sentences_are_about_it(interval, start):
    goals = {"auc_loss": 0.2, "n_members": 2.0}
    pair, single, whole = (
        replace(ensemble(indices, best_k=WON) if len(indices) == 2 else ensemble(indices), search=goals, test=goals)
        for indices in ((1, 2), (0,), (0, 1, 2, 3))
    )
    differences = {"best_k": Difference(-0.03, -0.02, interval), "whole_pool": Difference(-0.1, -0.2, (-0.3, -0.1))}
    run = made(
        pair, objectives=("auc_loss", "n_members"), single_best=single, whole_pool=whole,
        front=Front("nsga2", {}, 10, 1.0, 5.0, (pair, single), leading="auc_loss"),
        metrics=(Metric("auc_loss", 0.2, 0.21, (0.1, 0.3), (0.18, 0.24), differences),),
        estimate=Estimate(110, 1_000, 10, value=0.215),
    )  # fmt: skip
    _, expected, simpler = verdict(run)
    assert expected.startswith(
        "Of auc_loss, expect 0.215 on unseen samples, the mean of 10 folds; on the test split it is 0.21 "
        "(95 %: 0.18 to 0.24). Expect an error of 11.00 %"
    )
    assert simpler == (
        f"{start}: auc_loss on the test split, minus that of the best 2 members -0.02 "
        f"(95 %: {interval[0]:.4g} to {interval[1]:.4g}) and the whole pool -0.2 (95 %: -0.3 to -0.1)."
    )
    # Of another ensemble only its errors are known.
    assert "auc_loss" not in expected_error(run, run.front[1]) + beside_simpler(run, run.front[1])
