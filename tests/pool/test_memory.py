"""Memory that is refused, and memory that is given back."""

import sys
from pathlib import Path

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.pool.memory import check_fits, give_back


def resident(path: Path) -> int:
    """Kilobytes of a mapped file that count as memory of this process."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    for line in lines:
        if line.endswith(str(path)):
            return next(int(field.split()[1]) for field in lines if field.startswith("Rss:"))
    raise AssertionError(f"{path} is not mapped")


def test_more_than_a_quarter_of_the_memory_is_refused():
    check_fits("nothing", 0)
    with pytest.raises(InputError, match=r"the planes would take .* GiB; a quarter of this machine's memory is"):
        check_fits("the planes", 2**60)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_file_mapped_for_reading_gives_its_memory_back(tmp_path):
    np.save(tmp_path / "scores.npy", np.arange(2**18))
    array = np.lib.format.open_memmap(tmp_path / "scores.npy", mode="r")
    total = array.sum()
    assert resident(tmp_path / "scores.npy") >= 2**11
    give_back(array[5:7])
    assert resident(tmp_path / "scores.npy") == 0
    assert array.sum() == total


def test_what_was_written_to_a_copy_of_a_file_is_not_given_back(tmp_path):
    np.save(tmp_path / "scores.npy", np.zeros(2**12))
    array = np.lib.format.open_memmap(tmp_path / "scores.npy", mode="c")
    array[:] = 1
    give_back(array)
    give_back(np.asarray(array))
    assert array.sum() == 2**12
