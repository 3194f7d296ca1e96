"""How long tables take to read, and how much memory: 100,000 rows of the text labels of 200 models.

    python benchmarks/tables.py

Every format is read in a process of its own, whose memory is compared with that before the reading. The codes of the
labels take one byte each; whatever is read is checked against them. On two shared cores and Python 3.11,
the parquet file of 8 MiB took 6.8 CPU seconds and 59 MiB of memory, 3.1 times the codes, on 2026-11-28.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N_ROWS, N_MODELS = 100_000, 200
CLASSES = np.array(["ant", "bee", "cow", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay"])
SUFFIXES = (".parquet", ".feather", ".csv")


def drawn(n_rows: int, n_models: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of models that are right seven times in ten, and the true classes."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, len(CLASSES), n_rows, np.uint8)
    labels = rng.integers(0, len(CLASSES), (n_models, n_rows), np.uint8)
    return np.where(rng.random((n_models, n_rows), np.float32) < 0.7, truth, labels), truth


def write(folder: Path, n_rows: int, n_models: int) -> None:
    """Write the table in every format."""
    import polars

    labels, truth = drawn(n_rows, n_models)
    columns = {"truth": CLASSES[truth], **{f"model_{i}": CLASSES[row] for i, row in enumerate(labels)}}
    frame = polars.DataFrame(columns)
    frame.write_parquet(folder / "answers.parquet")
    frame.write_ipc(folder / "answers.feather")
    frame.write_csv(folder / "answers.csv")


def peak_memory() -> float:
    """Most memory that the process has held so far, in MiB; Linux only."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def read(path: Path) -> None:
    """Read one file, check what was read, and print seconds and megabytes."""
    import evo_ensyth as ee

    with tempfile.TemporaryDirectory() as folder:  # so that everything is imported
        write(Path(folder), 100, 2)
        ee.load(Path(folder) / path.name, test_share=0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak_memory()
    start, worked = time.perf_counter(), time.process_time()
    pool = ee.load(path, test_share=0)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    peak = peak_memory() - before
    labels, truth = drawn(pool.search.n_samples, len(pool))
    assert (pool.search.y_pred == labels).all()
    assert (pool.search.y_true == truth).all()
    print(f"{path.suffix} {seconds:.1f} {worked:.1f} {peak:.0f} {path.stat().st_size / 2**20:.0f}")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=N_ROWS)
    parser.add_argument("--models", type=int, default=N_MODELS)
    parser.add_argument("--read", type=Path, help="only read this file")
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return
    codes = options.rows * options.models / 2**20
    print(
        f"{options.rows:,} rows x {options.models} models, codes {codes:.0f} MiB; Python {platform.python_version()},"
    )
    print(f"{os.cpu_count()} cores")
    print(f"| file | MiB on disk | seconds | CPU seconds | MiB of memory | times the codes |\n|{6 * ' --- |'}")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.rows, options.models)
        for suffix in SUFFIXES:
            command = [sys.executable, __file__, "--read", str(Path(folder) / f"answers{suffix}")]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            _, seconds, worked, peak, size = said
            print(f"| {suffix} | {size} | {seconds} | {worked} | {peak} | {float(peak) / codes:.1f} |")


if __name__ == "__main__":
    main()
