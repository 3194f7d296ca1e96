"""Memory that is refused, and memory that is given back."""

import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.pool import memory, memory_limit
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


def test_a_large_array_lies_in_a_file_that_keeps_what_was_written(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(memory, "memory_limit", lambda: 2**25)
    small, large = memory.room("small", (2**20,), np.uint8), memory.room("large", (3, 2**20), np.uint16)
    assert not memory.is_in_file(small)
    assert memory.is_in_file(large)
    assert memory.is_in_file(large[1:, ::2])
    assert not large.any()
    large[1] = 7
    give_back(large)
    memory.give_back_files()
    assert (large.min(axis=1) == [0, 7, 0]).all()
    assert not list(tmp_path.iterdir())


def test_without_room_on_the_disk_one_line_says_what_was_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(memory, "is_large", lambda size: True)
    with pytest.raises(InputError, match=r"^the labels would take .* MB in a file in .*Set TMPDIR"):
        memory.room("the labels", (2**50,), np.uint8)


def test_rows_that_are_large_together_are_kept_in_few_files(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(memory, "memory_limit", lambda: 2**26)
    blocks = memory.Blocks("rows", 2**22)
    kept = [blocks.kept(np.full(2**19, i, np.uint8)) for i in range(8)]
    assert all(memory.is_in_file(row) for row in kept)
    assert len({id(memory._base(row)) for row in kept}) == 1
    assert [row[-1] for row in kept] == list(range(8))


LIMITS_OF_GROUPS = {
    "version 2": ("0::/a/b", {"a/memory.max": "9000", "a/b/memory.max": "max", "memory.max": "8000"}, 8000),
    "version 1": ("4:memory:/a\n9:cpu:/z\n0::/", {"memory/a/memory.limit_in_bytes": "7000"}, 7000),
    "no limit": ("0::/a", {}, float("inf")),
}


@pytest.mark.parametrize("kind", LIMITS_OF_GROUPS)
def test_the_lowest_limit_of_the_control_groups_counts(monkeypatch, tmp_path, kind):
    groups, files, expected = LIMITS_OF_GROUPS[kind]
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    (tmp_path / "own").write_text(groups + "\n")
    monkeypatch.setattr(memory_limit, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory_limit, "OWN_GROUPS", tmp_path / "own")
    assert memory_limit._of_cgroups.__wrapped__() == expected
