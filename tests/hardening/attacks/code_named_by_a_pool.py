"""A pool whose manifest names a module in the current folder as its network; and one called like a problem there."""

from pathlib import Path

import numpy as np
from hardening.forged import reseal, small_pool

import evo_ensyth as ee
from evo_ensyth.io.run_folder import write_run

MODULE = "from pathlib import Path\nPath('pwned').touch()\ndef build(*arguments): Path('pwned').touch()\n"


def attack(folder: Path) -> list[str]:
    reseal(small_pool(folder), lambda manifest: manifest["about"].update(network="stranger.build"))
    (folder / "run").mkdir()
    write_run(ee.search(folder / "pool", budget=20), folder / "run")
    np.save(folder / "inputs.npy", np.zeros((20, 1, 8, 8), np.uint8))
    (folder / "problems").mkdir()
    for place in ("stranger.py", "problems/pool.py"):
        (folder / place).write_text(MODULE)
    return ["export", "run", "--to", "folder", "--inputs", "inputs.npy", "-o", "made"]
