"""Pools check themselves, and find what their members share."""

import re

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members
from evo_ensyth.pool.members import shared_parts


def layer(name: str, chain: str, **costs: float) -> dict:
    return {"name": name, "chain": chain, "costs": costs}


def test_a_pool_keeps_counts_as_integers_and_measurements_as_floats():
    costs = {"bytes": np.array([1, 2], np.uint16), "ms": np.array([1, 2], np.float16), "macs": [3, 4]}
    pool = Members(("a", "b"), costs=costs)
    assert len(pool) == 2
    assert {name: values.dtype.name for name, values in pool.costs.items()} == {
        "bytes": "int64",
        "ms": "float64",
        "macs": "int64",
    }
    assert pool.origins == ({}, {})


def test_costs_cannot_be_changed_behind_the_pool():
    own = np.array([1, 2])
    pool = Members(("a", "b"), costs={"bytes": own})
    own[0] = 99
    assert pool.costs["bytes"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        pool.costs["bytes"][0] = 5


def test_a_cost_can_be_added_and_the_old_pool_stays_as_it_is():
    pool = Members(("a", "b"), costs={"bytes": [1, 2]})
    richer = pool.with_cost("ms", [0.5, 0.25])
    assert sorted(pool.costs) == ["bytes"]
    assert sorted(richer.costs) == ["bytes", "ms"]
    assert richer.costs["ms"].tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("names", "rest", "message"),
    [
        ((), {}, "the pool is empty; give it at least one member"),
        (("a", "b", "a"), {}, "two members are called 'a'"),
        (("a", "b"), {"origins": ({},)}, "2 names and 1 origins"),
        (("a", "b"), {"costs": {"ms": [1]}}, r"cost 'ms' has shape \(1,\); the pool needs \(2,\)"),
        (("a", "b"), {"costs": {"ms": [[1], [2]]}}, r"cost 'ms' has shape \(2, 1\)"),
        (("a", "b"), {"costs": {"ms": ["1", "2"]}}, "cost 'ms' has type <U1; it must be numbers"),
        (("a", "b"), {"costs": {"ms": [True, False]}}, "cost 'ms' has type bool"),
        (("a", "b"), {"costs": {"ms": [1j, 2]}}, "cost 'ms' has type complex128"),
        (("a", "b"), {"costs": {"ms": [0, np.nan]}}, "cost 'ms' is nan for member 1; it must be finite"),
        (("a", "b"), {"costs": {"ms": [np.inf, 0]}}, "cost 'ms' is inf for member 0; it must be finite"),
        (
            ("a", "b"),
            {"costs": {"ms": np.array([0, 2**63], np.uint64)}},
            "cost 'ms' is 9223372036854775808 for member 1",
        ),
        (("a", "b"), {"costs": {"ms": [2**62, 2**62]}}, "the sum over the pool must stay below"),
        (("a", "b"), {"costs": {"ms": [1e300, 0.0]}}, "the sum over the pool must stay below"),
        (("a", "b"), {"costs": {"ms": [-1e300, 0.0]}}, "the sum over the pool must stay below"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(names, rest, message):
    with pytest.raises(InputError, match=message):
        Members(names, **rest)


def test_costs_near_the_limit_add_up_without_a_warning():
    pool = Members(("a", "b"), costs={"count": [2**61 - 1024, 2**61 - 1024], "measured": [4e74, -4e74]})
    assert sum(map(int, pool.costs["count"])) == int(pool.costs["count"].sum())


def test_layers_with_the_same_owners_are_one_shared_part():
    stacks = [
        [layer("conv1", "A", bytes=10), layer("conv2", "B", bytes=20), layer("fc", "h0", bytes=1)],
        [layer("conv1", "A", bytes=10), layer("conv2", "B", bytes=20), layer("fc", "h1", bytes=2)],
        [layer("conv1", "A", bytes=10), layer("conv2", "C", bytes=30), layer("fc", "h2", bytes=3)],
        [layer("conv1", "D", bytes=11), layer("conv2", "E", bytes=21), layer("fc", "h3", bytes=4)],
    ]
    parts = {part.name: (part.members.tolist(), dict(part.costs)) for part in shared_parts(stacks)}
    assert parts == {
        "conv1": ([True, True, True, False], {"bytes": 10}),
        "conv2": ([True, True, False, False], {"bytes": 20}),
    }


def test_the_same_layer_in_two_members_is_shared_as_a_whole():
    stack = [layer("conv", "A", bytes=10, macs=5), layer("fc", "B", bytes=7, macs=2)]
    (part,) = shared_parts([stack, stack])
    assert part.name == "conv+fc"
    assert part.costs == {"bytes": 17, "macs": 7}


def test_members_without_layers_share_nothing():
    assert shared_parts([[], []]) == ()


# Parts of a pool

FOUR = Members(
    ("net_trim-0.1", "net_trim-0.2", "magnitude-0.5", "net_trim-0.1-quantised"),
    origins=tuple({"method": str(i)} for i in range(4)),
    costs={"bytes": np.array([10, 20, 30, 40])},
    shared=shared_parts(
        [
            [layer("conv", "A", bytes=5), layer("fc", "h0", bytes=5)],
            [layer("conv", "A", bytes=5), layer("fc", "h1", bytes=15)],
            [layer("conv", "A", bytes=5), layer("fc", "h2", bytes=25)],
            [layer("conv", "B", bytes=5), layer("fc", "h3", bytes=35)],
        ]
    ),
)


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["net_trim-*"], [0, 1, 3]),
        (["net_trim-0.?"], [0, 1]),
        (["magnitude-0.5", "*quantised", "magnitude*"], [2, 3]),
        (["*[!d]"], [0, 1, 2]),
    ],
)
def test_members_are_found_by_patterns(patterns, found):
    assert FOUR.matching(patterns).tolist() == found


@pytest.mark.parametrize("pattern", ["Net_trim*", "net_trim", ""])
def test_a_pattern_that_matches_no_member_is_refused(pattern):
    message = f"no member's name matches '{pattern}'; there are 4, such as 'net_trim-0.1'"
    with pytest.raises(InputError, match=re.escape(message)):
        FOUR.matching(["net_trim-*", pattern])


def test_a_part_keeps_what_its_members_have_and_share():
    part = FOUR.part(np.array([2, 0]))
    assert part.names == ("magnitude-0.5", "net_trim-0.1")
    assert part.origins == ({"method": "2"}, {"method": "0"})
    assert part.costs["bytes"].tolist() == [30, 10]
    (shared,) = part.shared
    assert (shared.name, shared.members.tolist(), dict(shared.costs)) == ("conv", [True, True], {"bytes": 5})
    assert FOUR.part(np.array([0, 3])).shared == ()
