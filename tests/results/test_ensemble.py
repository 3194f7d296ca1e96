"""One ensemble: what it answers, against votes counted by hand, and what its numbers are."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.results.comparison import Comparison, Discordant
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.voting import EnsembleVote
from evo_ensyth.voting._ensemble_vote import Weights

NAMES = ("ant", "bee", "cow", "dog", "eel", "fox")


def ensemble(indices: tuple[int, ...] = (0, 2, 3, 5), **changes) -> Ensemble:
    values = {
        "indices": indices,
        "members": tuple(NAMES[i] for i in indices),
        "search": {"error": 0.1, "n_members": float(len(indices)), "ms": 7.0},
        "test": {"error": 0.2, "n_members": float(len(indices)), "ms": 7.0},
        "search_errors": 4,
        "test_errors": 6,
        "costs": {"ms": 7.0, "bytes": 90.0},
        "n_pool": 6,
        "n_search": 40,
        "n_test": 30,
    }
    return Ensemble(**{**values, **changes})


@pytest.fixture(params=[3, 300], ids=["few classes", "many classes"])
def labels(request) -> np.ndarray:
    """Labels of the six members; with few classes there are many ties."""
    answers, _ = naive.random_votes(np.random.default_rng(1), 6, 200, request.param, 0.4)
    return answers.astype(np.int64)


def by_hand(labels: np.ndarray, indices: tuple[int, ...]) -> list[int]:
    """Labels of the plurality vote, sample by sample."""
    return naive.plurality(np.isin(np.arange(6), indices), labels, int(labels.max()) + 1).tolist()


def scores_of(labels: np.ndarray) -> np.ndarray:
    """Probabilities whose most likely class is the label."""
    scores = np.random.default_rng(2).random((*labels.shape, int(labels.max()) + 1))
    np.put_along_axis(scores, labels[..., None], 1.5, axis=2)
    return scores / scores.sum(axis=2, keepdims=True)


# --- What it answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indices", [(0,), (1, 4), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)])
def test_rows_for_the_pool_or_for_the_ensemble_give_the_vote_counted_by_hand(labels, indices):
    one, smallest = ensemble(indices), np.min_scalar_type(labels.max())
    for answers in (labels, labels.astype(smallest), np.asfortranarray(labels.astype(np.int32))):
        for rows in (answers, answers[list(indices)], answers.tolist()):
            found = one.predict(rows)
            assert found.dtype == np.int64
            assert found.tolist() == by_hand(labels, indices)


def test_probabilities_vote_for_their_most_likely_class(labels):
    one, scores = ensemble(), scores_of(labels)
    assert one.predict(scores).tolist() == by_hand(labels, one.indices)
    assert one.predict(scores[list(one.indices)].astype(np.float32)).tolist() == by_hand(labels, one.indices)
    assert one.predict(dict(zip(NAMES, scores, strict=True))).tolist() == by_hand(labels, one.indices)


def test_of_equally_likely_classes_the_lowest_is_voted_for():
    assert ensemble((0,)).predict(np.array([[[0.2, 0.4, 0.4], [0.5, 0.0, 0.5]]])).tolist() == [1, 0]


def test_a_tie_goes_to_the_lowest_class():
    assert ensemble((1, 4)).predict(np.array([[2, 1, 0], [1, 2, 3]])).tolist() == [1, 1, 0]


def test_a_mapping_may_hold_further_members_in_any_order(labels):
    one = ensemble()
    named = {name: labels[NAMES.index(name)] for name in (*NAMES[::-1],)}
    assert one.predict({**named, "gnu": labels[0] * 0}).tolist() == by_hand(labels, one.indices)
    assert one.predict({name: row.tolist() for name, row in named.items()}).tolist() == by_hand(labels, one.indices)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_is_read_by_its_column_names(labels, library):
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    one = ensemble()
    frame = frames.DataFrame({name: labels[NAMES.index(name)] for name in NAMES[::-1]})
    assert one.predict(frame).tolist() == by_hand(labels, one.indices)


def test_shares_of_the_classes_are_the_shares_of_the_members(labels):
    one, n_classes = ensemble(), int(labels.max()) + 1
    expected = [np.bincount(column, minlength=n_classes) / len(one) for column in labels[list(one.indices)].T]
    np.testing.assert_allclose(one.predict_proba(scores_of(labels)), expected)
    assert ensemble().predict_proba(np.zeros((6, 0), np.int64)).shape[0] == 0


def test_shares_of_a_soft_vote_are_mean_probabilities(labels):
    one = ensemble(voting=EnsembleVote(Weights((0,) * 4, (1,) * 4, (1.0,) * 4)))
    scores = scores_of(labels)
    expected = scores[list(one.indices)].mean(axis=0)
    np.testing.assert_allclose(one.predict_proba(scores), expected, atol=2e-5)


def test_shares_of_a_class_that_the_search_did_not_know_are_refused():
    with pytest.raises(InputError, match="the predictions hold the class 2, which the search did not know"):
        ensemble(classes=(0, 1)).predict_proba(np.array([[0, 2]] * 6))


def test_yes_and_no_are_the_classes_1_and_0():
    answers = np.random.default_rng(0).random((6, 50)) < 0.5
    one = ensemble()
    assert one.predict(answers).tolist() == by_hand(answers.astype(int), one.indices)


def test_no_samples_have_no_labels():
    assert ensemble().predict(np.zeros((6, 0), np.int64)).tolist() == []


def test_predictions_are_left_as_they_were(labels):
    one = ensemble()
    answers = np.ascontiguousarray(labels[list(one.indices)].astype(np.uint16))
    before = answers.copy()
    one.predict(answers)
    np.testing.assert_array_equal(answers, before)
    assert answers.flags.writeable


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (
            np.zeros((5, 9), int),
            r"have shape \(5, 9\); expected a row for each of the 6 members of the pool, or of the 4",
        ),
        (np.zeros(6, int), r"have shape \(6,\); expected a row for each of the 6"),
        (np.zeros((6, 2, 2, 2)), r"have shape \(6, 2, 2, 2\); expected a row for each of the 6"),
        (3, r"have shape \(\); expected a row for each of the 6"),
        (np.full((6, 9), 0.5), r"holds 0.5 \(sample 0\); class labels are whole numbers, booleans or text"),
        (
            {key: [0, 1] for key in ("ant", "cow", "dgo", "fox")},
            r"no member in these predictions called 'dog'\. Did you ",
        ),
        ({**{key: [0, 1] for key in NAMES}, "fox": [0, 1, 2]}, r"have the shapes \(2,\), \(2,\), \(2,\), \(3,\)"),
        (
            {**{key: [0, 1] for key in NAMES}, "fox": np.ones((2, 3))},
            r"have the shapes \(2,\), \(2,\), \(2,\), \(2, 3\)",
        ),
        (
            dict.fromkeys(NAMES, 1),
            r"have the shapes \(\), \(\), \(\), \(\); expected one of \(n_samples,\) or \(n_samples, n_",
        ),
        (dict.fromkeys(NAMES, np.ones((2, 2, 2), int)), r"have the shapes \(2, 2, 2\), \(2, 2, 2\)"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(predictions, message):
    with pytest.raises(InputError, match=message):
        ensemble().predict(predictions)


def test_what_only_looks_like_a_data_frame_is_refused():
    class Columns:
        columns = ("ant",)

    with pytest.raises(InputError, match="the predictions: no data frame that can be read"):
        ensemble().predict(Columns())


# --- What its numbers are --------------------------------------------------------------------------------------------


def test_errors_are_shares_of_the_samples_of_a_split():
    one = ensemble()
    assert (one.error(), one.error("search"), one.error("test")) == (4 / 40, 4 / 40, 6 / 30)
    assert one.optimism == 6 / 30 - 4 / 40


def test_an_interval_solves_wilsons_equation():
    z, one = 1.959963984540054, ensemble()
    assert one.interval() == one.interval("test")
    for split, share, n in (("search", 4 / 40, 40), ("test", 6 / 30, 30)):
        low, high = one.interval(split)
        assert low < share < high
        for end in (low, high):
            assert abs(end - share) == pytest.approx(z * np.sqrt(end * (1 - end) / n), abs=1e-7)


def test_without_a_test_split_nothing_is_known_of_it():
    one = ensemble(test=None, test_errors=None, n_test=None)
    assert np.isnan(one.error("test"))
    assert one.interval() is one.interval("test") is None
    assert np.isnan(one.optimism)
    assert one.interval("search") == ensemble().interval("search")
    assert [warning.code for warning in one.warnings][:1] == ["no_test_split"]


@pytest.mark.parametrize("method", ["error", "interval"])
def test_a_split_has_one_of_two_names(method):
    with pytest.raises(InputError, match=r"no split called 'tets'\. Did you mean 'test'\? There is search, test"):
        getattr(ensemble(), method)("tets")


def test_its_size_is_its_number_of_members():
    one = ensemble()
    assert len(one) == one.size == 4


def test_all_costs_are_those_of_the_pool_the_size_and_the_objectives():
    assert ensemble().all_costs == {"n_members": 4.0, "ms": 7.0, "bytes": 90.0, "error": 0.1}


def test_its_warnings_are_those_of_its_comparisons():
    luck = ensemble(comparisons={"best_k": Comparison(-0.1, 0.0, (-0.1, 0.1), 1.0, 1.0)})
    assert [(warning.code, warning.baseline) for warning in luck.warnings] == [("gain_not_confirmed", "best_k")]
    alone = ensemble((2,), is_single_best=True)
    assert [warning.code for warning in alone.warnings] == ["single_best_is_all"]


def test_it_is_shown_in_one_line():
    assert repr(ensemble()) == ("<Ensemble of 4: search error 10.00%, test error 20.00%; ant, cow, dog, fox>")
    every = ensemble(tuple(range(6)), test=None, test_errors=None)
    assert repr(every) == "<Ensemble of 6: search error 10.00%; ant, bee, cow, dog, ...>"


def test_as_json_values_it_is_complete():
    pair = Discordant((1, 2), (3, 4))
    comparison = Comparison(-0.1, 0.0, (-0.1, 0.1), 1.0, 1.0)
    found = ensemble(discordant={"best_k": pair}, comparisons={"best_k": comparison}).to_dict()
    assert found.pop("warnings")[0]["code"] == "gain_not_confirmed"
    assert found == {
        "indices": [0, 2, 3, 5],
        "members": ["ant", "cow", "dog", "fox"],
        "search": {"error": 0.1, "n_members": 4.0, "ms": 7.0},
        "test": {"error": 0.2, "n_members": 4.0, "ms": 7.0},
        "search_errors": 4,
        "test_errors": 6,
        "search_interval": ensemble().interval("search"),
        "test_interval": ensemble().interval("test"),
        "optimism": 6 / 30 - 4 / 40,
        "criterion": None,
        "voting": None,
        "costs": {"ms": 7.0, "bytes": 90.0},
        "intervals": {},
            "discordant": {"best_k": {"search": (1, 2), "test": (3, 4), "design_effect": 1.0}},
        "comparisons": {
            "best_k": {
                "on_search": -0.1, "on_test": 0.0, "interval": (-0.1, 0.1), "p_value": 1.0, "corrected": 1.0,
            },
        },
    }  # fmt: skip
    untested = replace(ensemble(), test=None, test_errors=None, n_test=None).to_dict()
    assert (untested["test"], untested["test_interval"], untested["optimism"]) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": (), "members": ()}, "an ensemble has 0 indices and 0 members"),
        ({"members": ("ant",)}, "an ensemble has 4 indices and 1 members"),
        (
            {"search": {"error": float("nan")}},
            r"the ensemble \[0, 2, 3, 5\] has a value in 'search' that is not finite",
        ),
        ({"test": {"error": float("inf")}}, r"the ensemble \[0, 2, 3, 5\] has a value in 'test' that is not finite"),
        ({"costs": {"ms": -float("inf")}}, r"the ensemble \[0, 2, 3, 5\] has a value in 'costs' that is not finite"),
        (
            {"discordant": {"best": Discordant((0, 0), None)}},
            r"the ensemble \[0, 2, 3, 5\] is compared with best; expected best_k, single_best, whole_pool, parent",
        ),
    ],
)
def test_an_ensemble_that_cannot_be_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        ensemble(**changes)


@pytest.mark.parametrize("kind", ["-1", "NaN", "None", "scores"])
def test_samples_without_an_answer_are_voted_on_by_those_who_answer(labels, kind):
    holes = naive.silenced(np.random.default_rng(3), labels, 0.6)
    expected = by_hand(holes, (0, 2, 3, 5))
    assert -1 in expected
    given = {
        "-1": holes,
        "NaN": np.where(holes == -1, np.nan, holes),
        "None": {
            name: [None if label == -1 else label for label in row]
            for name, row in zip(NAMES, holes.tolist(), strict=True)
        },
        "scores": np.where(holes[..., None] == -1, np.nan, scores_of(labels)),
    }
    assert ensemble().predict(given[kind]).tolist() == expected
