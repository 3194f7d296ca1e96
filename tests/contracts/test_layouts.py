"""What every layout of a folder promises; a new file in `evo_ensyth.io.layouts` is tested by being there."""

import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.io import layouts, read_folder

NAMES = layouts.names()


@pytest.mark.parametrize("name", NAMES)
def test_it_describes_itself_in_one_line(name):
    module = layouts.module(name)
    assert 10 < len((module.__doc__ or "").partition("\n")[0]) <= 120
    assert 10 < len(module.HOLDS) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_another_folder_is_none_of_its_kind(name, tmp_path):
    (tmp_path / "answers.csv").write_text("truth,a\n0,1\n1,1\n")
    (tmp_path / "metadata.json").write_text("{}")
    assert not layouts.module(name).is_one(tmp_path)


def test_a_folder_of_no_known_layout_is_refused_with_what_there_is(tmp_path):
    with pytest.raises(
        InputError, match=r"holds no finished pool: there is no .*pool\.json\. Nor is it autogluon: .*kaggle:"
    ):
        read_folder(tmp_path)
