"""How long tables take to read, and how much memory: 100,000 rows of the text labels of 200 models.

    python benchmarks/tables.py

Every format is read in a process of its own, whose memory is compared with that before the reading. The codes of the
labels take one byte each; whatever is read is checked against them.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from output import Output, Sheet, Value, arguments

N_ROWS, N_MODELS = 100_000, 200
CLASSES = np.array(["ant", "bee", "cow", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay"])
SUFFIXES = (".parquet", ".feather", ".csv")
COLUMNS = {
    "file": "",
    "MiB on disk": ".0f",
    "seconds": ".1f",
    "CPU seconds": ".1f",
    "MiB of memory": ".0f",
    "times the codes": ".1f",
}


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
    """Print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=N_ROWS)
    parser.add_argument("--models", type=int, default=N_MODELS)
    parser.add_argument("--read", type=Path, help="only read this file")
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return
    codes = options.rows * options.models / 2**20
    rows: list[list[Value]] = []
    with Output(__doc__, options) as out, tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.rows, options.models)
        for suffix in SUFFIXES:
            command = [sys.executable, __file__, "--read", str(Path(folder) / f"answers{suffix}")]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            seconds, worked, peak, size = map(float, said[1:])
            rows.append([suffix, size, seconds, worked, peak, peak / codes])
        title = f"{options.rows:,} rows x {options.models} models, codes {codes:.0f} MiB"
        out.show(Sheet(title, COLUMNS, rows))


if __name__ == "__main__":
    main()
