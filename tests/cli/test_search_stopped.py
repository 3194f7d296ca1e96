"""``search`` that is stopped: by a time limit, by Ctrl-C, or because nobody reads its output."""

import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from oracles import votes as naive

from cli.by_hand import RUN_FOLDER


def test_a_time_limit_is_kept(call, npz):
    labels, truth = naive.random_votes(np.random.default_rng(0), 60, 4_000, 10)
    path = npz({"labels": labels, "truth": truth})
    start = time.perf_counter()
    said = call("search", path, "--json", "--seconds", 0.5, "--baseline", "random")
    assert said.status == 0
    assert said.json["seconds_limit"] == 0.5
    assert 0.5 <= said.json["front"]["seconds"] < 1.5
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize("option", ["--json", "--seed=1"])
def test_a_reader_who_leaves_early_is_no_disaster(npz, arrays, tmp_path, environment, option):
    search = subprocess.Popen(
        [sys.executable, "-m", "evo_ensyth", "search", npz(arrays), option],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    search.stdout.close()
    assert search.stderr.read() == b""
    assert search.wait() == 141
    search.stderr.close()


@pytest.fixture
def long_search(npz, tmp_path, environment):
    """Start a search that would take five minutes and prints each step."""
    labels, truth = naive.random_votes(np.random.default_rng(0), 60, 4_000, 10)
    path = npz({"labels": labels, "truth": truth})
    started = []

    def long_search(*arguments: str) -> subprocess.Popen:
        code = (
            "from evo_ensyth.cli import main as cli, progress\n"
            "progress.SECONDS_BETWEEN_LINES = 0\n"  # so that we see when it has begun
            "cli.main()"
        )
        search = subprocess.Popen(
            [sys.executable, "-c", code, "search", path, "--seconds", "300", *arguments],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(search)
        return search

    yield long_search
    for search in started:
        search.kill()
        search.communicate()


def wait_for(search: subprocess.Popen, text: str) -> threading.Thread:
    """Read progress until a line holds ``text``, and keep reading in a thread, lest the pipe fills up."""
    for line in search.stderr:
        if text in line:
            reader = threading.Thread(target=lambda: search.stderr.read(), daemon=True)
            reader.start()
            return reader
    raise AssertionError(f"the search ended with status {search.wait()}")


def test_ctrl_c_keeps_what_was_found_in_a_whole_run_folder(long_search, tmp_path):
    search = long_search("--json", "--out", "stopped")
    reader = wait_for(search, "nsga2: ")
    start = time.perf_counter()
    search.send_signal(signal.SIGINT)
    run = json.loads(search.stdout.read())
    assert search.wait() == 130
    assert time.perf_counter() - start < 60
    reader.join()
    assert run["selector"] == "nsga2"
    assert run["interrupted"] is True
    assert run["front"]["ensembles"]
    folder = tmp_path / "stopped"
    assert sorted(p.name for p in folder.iterdir()) == sorted([*RUN_FOLDER, "test_samples.csv"])
    assert json.loads((folder / "run.json").read_text()) == run
    assert "**Interrupted:**" in (folder / "report.md").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["stopped", "votes.npz"]


SLEEPER = '''
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Sleeper:
    """Does not look up from its work."""

    def select(self, search, rng):
        import numpy as np

        search.evaluate(np.ones((1, len(search.pool)), bool))
        time.sleep(60)
'''


def test_a_second_ctrl_c_ends_at_once_and_leaves_nothing(long_search, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sleeper.py").write_text(SLEEPER)
    before = sorted(tmp_path.iterdir())
    search = long_search("--selector", "mine.sleeper", "--out", "stopped")
    reader = wait_for(search, "sleeper: ")
    search.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        search.wait(0.5)
    start = time.perf_counter()
    search.send_signal(signal.SIGINT)
    assert search.wait() == 130
    assert time.perf_counter() - start < 30
    reader.join()
    assert [p for p in sorted(tmp_path.iterdir()) if p.name != "__pycache__"] == before
