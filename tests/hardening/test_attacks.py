"""Attacks: each is a pair of files in ``attacks/``, of which the second says what must happen.

``NAME.py`` writes the attack into an empty folder, and returns the command that falls for it or does not. ``NAME.json``
has its exit status, a part of the one line that it says, and patterns of what must be nowhere in what it writes.
Any attack that runs code touches the file ``pwned``.
"""

import importlib.util
import json
import re
import time
from pathlib import Path

import pytest

from evo_ensyth.cli import progress
from hardening.counts import memory

ATTACKS = Path(__file__).with_name("attacks")
MOST_SECONDS = 30.0
MOST_MEMORY = 400 * 2**20


def test_every_attack_says_what_must_happen():
    assert {path.stem for path in ATTACKS.glob("*.py")} == {path.stem for path in ATTACKS.glob("*.json")}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in ATTACKS.glob("*.py")))
def test_an_attack_fails(name, call, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", float("inf"))
    spec = importlib.util.spec_from_file_location(f"attacks.{name}", ATTACKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    must = json.loads((ATTACKS / f"{name}.json").read_text())
    command = module.attack(tmp_path)
    outside, before, start = sorted(tmp_path.parent.iterdir()), memory(), time.process_time()
    said = call(*command)
    assert said.status == must["status"], said
    assert must["said"] in said.err
    assert said.err.count("\n") == (must["status"] != 0)
    assert said.err.replace("\n", "").isprintable()
    assert time.process_time() - start < MOST_SECONDS
    assert memory() - before < MOST_MEMORY
    assert not list(tmp_path.rglob("*pwned*"))
    assert sorted(tmp_path.parent.iterdir()) == outside
    assert said.out.replace("\n", "").isprintable()
    assert (tmp_path / "made").exists() == (must["status"] == 0)
    for path in (tmp_path / "made").rglob("*"):
        for pattern in must.get("nowhere", {}).get(path.suffix, ()):
            assert not re.search(pattern, path.read_text()), (path.name, pattern)
