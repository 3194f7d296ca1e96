"""Finding objectives by name, and judging by them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import votes as naive

from evo_ensyth import objectives
from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Objective, objective
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection.problem import Problem


@pytest.fixture
def pool():
    costs = {name: np.array([1, 2, 4]) for name in ("bytes", "parameters", "macs", "euros")}
    return Members(("a", "b", "c"), costs=costs)


@pytest.fixture
def ensembles(pool):
    labels, truth = naive.random_votes(np.random.default_rng(3), 3, 50, 4)
    votes = Votes(labels, truth, 4, "search")
    return Ensembles(np.array(list(naive.all_subsets(3))), pool, votes)


def test_those_of_the_package_are_the_files_of_the_folder():
    assert {"bytes", "error", "macs", "n_members", "parameters"} < set(objectives.names())
    assert all(objectives.find(name, Members(("a",))).name == name for name in objectives.names())


def test_values_are_those_worked_out_by_hand(pool, ensembles):
    names = ("error", "n_members", "parameters", "bytes", "macs", "euros")
    values = objectives.judge([objectives.find(name, pool) for name in names], ensembles)
    votes = ensembles.votes
    errors = [naive.errors(s, votes.y_pred, votes.y_true, 4) / 50 for s in ensembles.subsets]
    assert_allclose(values[:, 0], errors, rtol=0, atol=1e-15)
    assert_array_equal(values[:, 1], [bin(code).count("1") for code in range(1, 8)])
    for column in range(2, 6):
        assert_array_equal(values[:, column], range(1, 8))


def test_ones_own_comes_before_that_of_the_package(pool):
    mine = Objective("error", lambda ensembles: ensembles.sizes)
    assert objectives.find("error", pool, [mine]) is mine


@pytest.mark.parametrize("name", ["log_loss", "soft_error", "accuracy", "recall_of_class_3", "error_of_class_0"])
def test_a_cost_with_the_name_of_an_objective_is_refused(name):
    """`--at-most log_loss=4` meant the log loss of the votes, not the cost of that name."""
    votes = Votes(np.zeros((2, 3), int), np.zeros(3, int), 2, "search")
    pool = Pool(Members(("a", "b"), costs={name: np.ones(2)}), votes)
    with pytest.raises(
        InputError, match=f"the cost '{name}' \\('cost_{name}' in a file\\) has the name of an objective"
    ):
        Problem(pool)


def test_a_cost_may_have_the_name_of_the_objective_that_it_is(pool):
    votes = Votes(np.zeros((3, 3), int), np.zeros(3, int), 2, "search")
    assert Problem(Pool(pool, votes), ("bytes", "macs", "parameters", "euros")).objectives[0].name == "bytes"


def test_a_function_becomes_an_objective_by_its_name():
    @objective(unit="kg")
    def weight(ensembles):
        return ensembles.sizes

    assert (weight.name, weight.unit) == ("weight", "kg")


def test_an_unknown_name_is_refused_with_the_nearest_and_all(pool):
    with pytest.raises(InputError, match=r"no objective called 'euro'. Did you mean 'euros'\? There is .*bytes,"):
        objectives.find("euro", pool)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda e: e.sizes[:-1], r"'bad' gave shape \(6,\)"),
        (lambda e: np.array(["x"] * len(e)), "type <U1"),
        (
            lambda e: np.where(e.sizes == 3, np.nan, 1.0),
            r"'bad' is nan for the ensemble \[0, 1, 2\]; it must be finite",
        ),
        (lambda e: np.full(len(e), np.inf), "it must be finite"),
        (lambda e: {}["bytes"], "objective 'bad' failed: KeyError: 'bytes'"),
    ],
)
def test_an_objective_that_gives_nonsense_is_named(ensembles, answer, message):
    with pytest.raises(InputError, match=message):
        objectives.judge([Objective("bad", answer)], ensembles)
