"""Ctrl-C, SIGTERM and SIGHUP end a search and keep what it found; a second one does what it always does."""

import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from evo_ensyth.selection.interruption import SIGNALS, Interrupted, Interruption, heeded
from evo_ensyth.selection.run import run

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread alone"
)


@pytest.fixture
def handlers():
    """Handlers of our own for all signals, and what they caught."""
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
def test_the_first_signal_is_noted_and_a_second_one_finds_what_was_there_before(handlers, first, second):
    own, caught = handlers
    with heeded(Interruption()) as interruption:
        assert own not in installed()
        assert interruption.by is None
        signal.raise_signal(first)
        assert (interruption.number, interruption.by, caught) == (first, first.name, [])
        assert installed() == [own] * len(SIGNALS)
        signal.raise_signal(second)
    assert caught == [second]
    assert installed() == [own] * len(SIGNALS)


def test_by_default_a_second_ctrl_c_is_a_keyboard_interrupt(handlers):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with heeded(Interruption()) as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.by == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("failure", [None, ValueError])
def test_when_the_block_ends_the_handlers_are_those_of_before(handlers, failure):
    own, caught = handlers
    interruption = Interruption()

    def block() -> None:
        with heeded(interruption):
            if failure is not None:
                raise failure

    if failure is None:
        block()
    else:
        with pytest.raises(failure):
            block()
    assert installed() == [own] * len(SIGNALS)
    signal.raise_signal(signal.SIGTERM)
    assert (interruption.number, caught) == (None, [signal.SIGTERM])


def test_a_handler_that_python_does_not_know_becomes_the_default(handlers, monkeypatch):
    """`signal.getsignal` returns None for a handler that was not installed from Python."""
    with monkeypatch.context() as patched:
        patched.setattr(signal, "getsignal", lambda number: None)
        with heeded(Interruption()):
            pass
    assert installed() == [signal.SIG_DFL] * len(SIGNALS)


@pytest.mark.usefixtures("handlers")
def test_what_is_ignored_stays_ignored_as_under_nohup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with heeded(Interruption()) as interruption:
        signal.raise_signal(signal.SIGHUP)
        assert interruption.number is None
        signal.raise_signal(signal.SIGTERM)
        assert interruption.by == "SIGTERM"
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_outside_the_main_thread_nothing_is_handled(handlers):
    own, _ = handlers
    seen = []

    def work() -> None:
        with heeded(Interruption()):
            seen.append(installed())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [[own] * len(SIGNALS)]


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", SIGNALS)
def test_where_there_is_nothing_to_keep_every_signal_is_an_exception(number):
    with heeded(Interruption(raises=True)):
        for _ in range(2):
            with pytest.raises(Interrupted, match=number.name) as caught:
                signal.raise_signal(number)
            assert caught.value.number == number


@pytest.mark.usefixtures("handlers")
def test_a_signal_whose_exception_was_lost_is_not_forgotten(make_problem):
    """Two of eleven Ctrl-C came while a library called back, which swallows exceptions: the search ran to its end."""
    with heeded(Interruption(raises=True)):
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted, match="SIGINT"):
            run(make_problem(), "random", budget=10)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_the_first_evaluation_ends_the_search(make_problem, number):
    """It is noted from the first line of the search, when no budget and no evaluator is there yet."""
    problem = make_problem()

    class Signalled:
        """The problem, whose reference point takes until a signal comes."""

        def __getattr__(self, name):
            if name == "reference":
                signal.raise_signal(number)
            return getattr(problem, name)

    with pytest.raises(Interrupted, match=number.name):
        run(Signalled(), "random", budget=10)


@pytest.mark.usefixtures("handlers")
def test_a_signal_while_the_result_is_judged_keeps_it(make_problem):
    """Selection is over, and the test split is being read."""
    problem = make_problem()

    class Signalled:
        def __getattr__(self, name):
            if name == "on_test":
                signal.raise_signal(signal.SIGTERM)
            return getattr(problem, name)

    found = run(Signalled(), "random", budget=10, n_folds=0)
    assert (found.interrupted, found.interrupted_by) == (True, "SIGTERM")
    assert len(found.front)
    assert found.front.ended_by == "budget"


@pytest.mark.usefixtures("handlers")
def test_a_stopped_search_says_by_what(make_problem):
    class Stops:
        def select(self, search, rng):
            search.evaluate(np.ones((1, len(search.pool)), bool))
            signal.raise_signal(signal.SIGHUP)
            search.evaluate(np.ones((1, len(search.pool)), bool))

    found = run(make_problem(), Stops(), baselines=["single_best"])
    assert (found.interrupted, found.interrupted_by) == (True, "SIGHUP")
    assert [front.ended_by for front in found.fronts] == ["SIGHUP", "selector"]


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


@pytest.mark.parametrize("number", [signal.SIGTERM])
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
    assert content["interrupted_by"] == content["front"]["ended_by"] == number.name
    assert content["front"]["ensembles"]
    assert 0 < content["front"]["seconds"] < 60
    assert content["front"]["n_evaluations"] > 0
