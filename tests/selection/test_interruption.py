"""Ctrl-C and SIGTERM end a search and keep what it found; a second one does what it always does."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from evo_ensyth.selection.interruption import SIGNALS, stopped_by_signals

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread alone"
)


@pytest.fixture
def handlers():
    """Handlers of our own for both signals, and what they caught."""
    caught: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def own(number: int, frame: object) -> None:
        caught.append(number)

    for number in SIGNALS:
        signal.signal(number, own)
    yield own, caught
    for number, handler in before.items():
        signal.signal(number, handler)


def installed() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_the_first_signal_stops_and_a_second_one_finds_what_was_there_before(handlers, first, second):
    own, caught = handlers
    stops = []
    with stopped_by_signals(lambda: stops.append("stop")):
        assert own not in installed()
        signal.raise_signal(first)
        assert (stops, caught) == (["stop"], [])
        assert installed() == [own, own]
        signal.raise_signal(second)
    assert (stops, caught) == (["stop"], [second])
    assert installed() == [own, own]


def test_by_default_a_second_ctrl_c_is_a_keyboard_interrupt(handlers):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stops = []
    with stopped_by_signals(lambda: stops.append("stop")):
        signal.raise_signal(signal.SIGINT)
        assert stops == ["stop"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stops == ["stop"]


@pytest.mark.parametrize("failure", [None, ValueError])
def test_when_the_block_ends_the_handlers_are_those_of_before(handlers, failure):
    own, caught = handlers
    stops = []

    def block() -> None:
        with stopped_by_signals(lambda: stops.append("stop")):
            if failure is not None:
                raise failure

    if failure is None:
        block()
    else:
        with pytest.raises(failure):
            block()
    assert installed() == [own, own]
    signal.raise_signal(signal.SIGTERM)
    assert (stops, caught) == ([], [signal.SIGTERM])


def test_a_handler_that_python_does_not_know_becomes_the_default(handlers, monkeypatch):
    """`signal.getsignal` returns None for a handler that was not installed from Python."""
    with monkeypatch.context() as patched:
        patched.setattr(signal, "getsignal", lambda number: None)
        with stopped_by_signals(lambda: None):
            pass
    assert installed() == [signal.SIG_DFL, signal.SIG_DFL]


def test_outside_the_main_thread_nothing_is_handled(handlers):
    own, _ = handlers
    seen = []

    def work() -> None:
        with stopped_by_signals(lambda: seen.append("stop")):
            seen.append(installed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [[own, own]]


SEARCH = """
import json
import sys

import numpy as np

import evo_ensyth as ee

rng = np.random.default_rng(0)
y_true = rng.integers(0, 10, 4_000)
y_pred = np.where(rng.random((40, 4_000)) < 0.7, y_true, rng.integers(0, 10, (40, 4_000)))
pool = ee.Pool.from_predictions(y_pred[:, :2_000], y_true[:2_000], test=(y_pred[:, 2_000:], y_true[2_000:]))
begun = False


def on_progress(progress):
    global begun
    if progress.n_evaluations > 0 and not begun:
        begun = True
        print("begun", flush=True)


run = ee.search(pool, selector="random", baselines=(), seconds=120, on_progress=on_progress)
print(json.dumps(run.to_dict()))
print("after the search", file=sys.stderr)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_search_in_a_script_ends_with_what_it_found_and_the_script_goes_on(environment, number):
    search = subprocess.Popen(
        [sys.executable, "-c", SEARCH], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert search.stdout.readline() == "begun\n", search.stderr.read()
        search.send_signal(number)
        out, err = search.communicate(timeout=60)
    finally:
        search.kill()
        search.communicate()
    assert (search.returncode, err) == (0, "after the search\n")
    content = json.loads(out)
    assert content["interrupted"] is True
    assert content["front"]["ensembles"]
    assert 0 < content["front"]["seconds"] < 60
    assert content["front"]["n_evaluations"] > 0
