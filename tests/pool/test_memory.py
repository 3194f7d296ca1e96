"""Memory that is refused, and memory that is given back."""

import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.pool import memory
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


def test_rows_kept_in_blocks_are_copies_and_a_block_goes_with_its_last_row(monkeypatch):
    monkeypatch.setattr(memory, "BLOCK", 64)
    blocks, rng = memory.Blocks(), np.random.default_rng(0)
    given = [rng.integers(0, 99, size).astype(kind) for size, kind in [(30, np.uint8), (10, np.uint16), (90, np.uint8)]]
    kept = [blocks.kept(row) for row in given]
    for row, copy in zip(given, kept, strict=True):
        np.testing.assert_array_equal(row, copy)
        assert row.dtype == copy.dtype
        row[:] = 0
        assert copy.any()
    assert kept[0].base is kept[1].base
    alive = [weakref.ref(each.base) for each in (kept[0], kept[2])]
    del blocks, row, copy, kept[0]
    assert [each() is None for each in alive] == [False, False]
    del kept[0]
    assert [each() is None for each in alive] == [True, False]
