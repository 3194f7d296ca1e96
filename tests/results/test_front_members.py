"""Members of a front: of very many some are kept, and a file that somebody changed is refused."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.results.front_members import FrontMembers
from evo_ensyth.selection import fronts
from evo_ensyth.selection.fronts import members_of_front

MEMBERS = FrontMembers((0, 2, 5), ("a", "b", "c"), (1, 2, 3), (4, 5, 6), ((), (2,), (3, 5)), {"ms": (1.0, 2.0, 3.0)})


def test_shares_of_pairs_are_symmetric_and_a_member_agrees_with_itself():
    expected = [[0, 0.2, 0.3], [0.2, 0, 0.5], [0.3, 0.5, 0]]
    np.testing.assert_allclose(MEMBERS.disagreement(10), expected)


def test_of_many_members_the_recommended_and_the_most_frequent_are_kept(make_problem, monkeypatch):
    problem = make_problem(n_members=6, with_test=False)
    subsets = np.array([[1, 0, 0, 0, 1, 0], [0, 0, 1, 0, 1, 0], [0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 0, 1]], bool)
    assert members_of_front(problem, subsets, 0).indices == (0, 2, 3, 4, 5), "member 1 is on no ensemble"
    monkeypatch.setattr(fronts, "MOST_MEMBERS", 3)
    kept = members_of_front(problem, subsets, 0)
    assert kept.indices == (0, 2, 4)
    assert kept.names == ("m0", "m2", "m4")
    assert kept.search_errors == tuple(problem.search.member_errors[[0, 2, 4]].tolist())
    assert kept.test_errors is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("a", "b")}, "columns of different lengths"),
        ({"costs": {"ms": (1.0,)}}, "columns of different lengths"),
        ({"n_differ": ((), (1,), (2,))}, "must have i numbers for member i"),
        ({"costs": {"ms": (1.0, 2.0, float("inf"))}}, "not finite"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(MEMBERS, **change)


def test_its_json_form_has_all_fields():
    assert MEMBERS.to_dict() == asdict(MEMBERS)
