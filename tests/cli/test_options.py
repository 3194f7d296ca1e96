"""How limits are written on the command line, and that a search keeps them."""

import pytest

from evo_ensyth.cli.options import limits
from evo_ensyth.errors import InputError


def test_limits_are_names_and_numbers():
    assert limits(["bytes=2e6", " accuracy = 0.9 ", "n_members=-1"]) == {"bytes": 2e6, "accuracy": 0.9, "n_members": -1}
    assert limits(None) == limits([]) == {}


@pytest.mark.parametrize("text", ["bytes", "=5", "bytes=", "bytes=many", "bytes=nan", ""])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(InputError, match=f"^'{text}' is no limit; write NAME=VALUE, such as n_members=5\\.$"):
        limits(["macs=1", text])


def test_a_name_is_limited_once():
    with pytest.raises(InputError, match="'bytes' is limited twice; once is enough"):
        limits(["bytes=3", "bytes = 4"])


def test_the_command_line_takes_constraints(call, npz, arrays):
    path = npz(arrays)
    result = call("search", path, "--at-most", "latency=4", "--at-least", "accuracy=0.2", "--json")
    assert result.status == 0
    assert result.json["constraints"] == {"at_most": {"latency": 4}, "at_least": {"accuracy": 0.2}}
    for ensemble in result.json["front"]["ensembles"]:
        assert arrays["cost_latency"][ensemble["indices"]].sum() <= 4
    result = call("search", path, "--at-most", "latency=4", "--budget", "40")
    assert "all of them keep the constraints on the search split: latency at most 4" in result.out
    result = call("search", path, "--at-most", "latency=0.5", "--budget", "40")
    assert (result.status, result.out) == (2, "")
    assert "the nearest is bee: latency is 1 (latency at most 0.5)" in result.err
