"""Write folders of predictions as Kaggle's users and TabArena have them."""

import csv
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


def write_csv(path: Path, columns: Mapping[str, Sequence], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_task(
    folder: Path, scores: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], names: Sequence[str]
) -> Path:
    """Write the folder of a task of TabArena, from float32 scores and labels of the splits val and test."""
    folder.mkdir(parents=True)
    about = {"models": list(names), "dataset": folder.parent.name, "fold": 0, "dtype": "float32"}
    for split, values in scores.items():
        about[f"pred_{split}_shape"] = values.shape
        (folder / f"pred-{split}.dat").write_bytes(values.astype(np.float32).tobytes())
        rows = "".join(f"{7 * i},{label}\n" for i, label in enumerate(truth[split]))
        with zipfile.ZipFile(folder / f"label-{split}.csv.zip", "w") as archive:
            archive.writestr(f"label-{split}.csv", f",target\n{rows}")
    (folder / "metadata.json").write_text(json.dumps(about))
    return folder


def write_labels_file(folder: Path, truth: Mapping[str, np.ndarray]) -> None:
    """Replace the labels of a task by the file of later versions of TabArena."""
    for split in truth:
        (folder / f"label-{split}.csv.zip").unlink()
    about = {split: {"n": len(labels), "dtype": "|i1"} for split, labels in truth.items()}
    header = json.dumps({"version": 1, **about}).encode()
    content = b"".join(labels.astype(np.int8).tobytes() for labels in truth.values())
    (folder / "labels.dat").write_bytes(len(header).to_bytes(4, "little") + header + content)
