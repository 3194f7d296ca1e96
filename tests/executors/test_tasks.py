"""Work is cut by measured time, every item is done once, and only what kills its worker alone is given up."""

import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest
from oracles.executors import Clock, Shuffled

import evo_ensyth
from evo_ensyth.errors import InputError, UnfinishedError
from evo_ensyth.executors import tasks
from evo_ensyth.executors.tasks import Division, WorkerKilled, number_of_workers
from evo_ensyth.executors.versions import checked, versions


def squares(items, plus=0):
    for item in items:
        yield item**2 + plus


def outcomes(division):
    found = []
    while some := division.outcomes():
        found += some
    return found


@pytest.mark.parametrize("seed", range(5))
def test_every_item_is_done_once_whatever_the_order_in_which_tasks_end(seed):
    found = outcomes(Division(Shuffled(seed), squares, range(200), 200, given=(1,)))
    assert sorted((one.index, one.item, one.result) for one in found) == [(i, i, i**2 + 1) for i in range(200)]


def test_an_executor_of_threads_will_do():
    with ThreadPoolExecutor(2) as executor:
        found = outcomes(Division(executor, squares, range(50), 50))
    assert sorted(one.result for one in found) == [i**2 for i in range(50)]


def test_an_executor_gets_items_and_gives_results_as_bytes_that_it_need_not_look_into():
    executor = Shuffled(n_workers=1)
    division = Division(executor, squares, range(50), 50, given=(1,))
    division._fill()
    (_, _, _, items, *_), task = executor.open[0].args, executor.open[0]
    assert isinstance(items, bytes)
    assert task.done()
    assert isinstance(task.result()[0], bytes)


def test_there_may_be_nothing_to_do():
    assert outcomes(Division(Shuffled(), squares, [], 0)) == []


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(tasks, "time", clock)
    return clock


@pytest.mark.parametrize("seconds", [0.01, 0.3, 4.0, 45.0])
def test_tasks_take_one_to_sixty_seconds_whatever_an_item_takes(clock, seconds):
    def work(items):
        for item in items:
            clock.now += seconds
            yield item

    executor = Shuffled(clock=clock)
    n_items = int(600 / seconds)
    found = outcomes(Division(executor, work, range(n_items), n_items))
    assert sorted(one.result for one in found) == list(range(n_items))
    assert sorted(executor.seconds)[1] >= 0.99  # of all but what is left over
    assert max(executor.seconds) <= 60
    assert len(executor.seconds) < 600


def test_a_task_that_takes_much_longer_than_it_should_gives_back_the_rest(clock):
    def work(items):
        for item in items:
            clock.now += 0.02 if item < 300 else 3
            yield item

    executor = Shuffled(clock=clock)
    found = outcomes(Division(executor, work, range(600), 600))
    assert sorted(one.result for one in found) == list(range(600))
    assert max(executor.seconds) < 60


def test_work_towards_the_end_is_shared_by_all_workers(clock):
    def work(items):
        for item in items:
            clock.now += 0.1
            yield item

    executor = Shuffled(clock=clock, n_workers=5)
    outcomes(Division(executor, work, range(150), 150))  # 1 second to measure, and 14 that are left
    assert len(executor.seconds) > 8


def test_items_weigh_what_they_take(clock):
    def work(items):
        for item in items:
            clock.now += item
            yield item

    executor = Shuffled(clock=clock)
    items = [1, 1, 1, 1, 4, 4, 4, 4, 8, 8, 8, 0.1, 0.1, 0.1, 0.1] * 10
    outcomes(Division(executor, work, items, sum(items), float))
    assert max(executor.seconds) <= tasks.MOST_SECONDS + 8
    assert len(executor.seconds) < 60


def test_work_that_is_stopped_keeps_what_came():
    division = Division(Shuffled(), squares, range(5_000), 5_000)
    found = division.outcomes()
    assert found
    division.stop()
    rest = outcomes(division)
    assert sorted(one.index for one in [*found, *rest]) == list(range(5_000))


def test_nothing_is_waited_for_once_it_should_not_go_on():
    with ThreadPoolExecutor(1) as executor:
        division = Division(executor, asleep, range(3), 3)
        assert division.outcomes(lambda: False) == []


def asleep(items):
    for item in items:
        time.sleep(0.2)
        yield item


def test_what_was_changed_is_done_again_from_there_on():
    division = Division(Shuffled(1), squares, range(100), 100, given=(0,))
    division.outcomes()
    division.changed(20, (5,))
    found = {one.index: one.result for one in outcomes(division)}
    assert [found[i] for i in range(20, 100)] == [i**2 + 5 for i in range(20, 100)]


class KilledError(Exception):
    """Stands for distributed.KilledWorker."""


@pytest.mark.parametrize("seed", range(3))
def test_only_what_kills_its_worker_alone_is_given_up(monkeypatch, seed):
    monkeypatch.setattr(tasks, "_killed", lambda error: isinstance(error, KilledError))

    def work(items):
        items = list(items)
        for item in items:
            if item in (7, 31):
                raise KilledError
            yield item

    found = outcomes(Division(Shuffled(seed), work, range(60), 60))
    killed = {one.item for one in found if isinstance(one.result, WorkerKilled)}
    assert killed == {7, 31}
    assert sorted(one.item for one in found) == list(range(60))


def test_an_error_of_the_work_is_raised_here_and_the_rest_given_up():
    def work(items):
        for item in items:
            yield 1 // (item - 3)

    executor = Shuffled()
    division = Division(executor, work, range(10), 10)
    with pytest.raises(ZeroDivisionError):
        outcomes(division)
    assert executor.open == []


def test_an_executor_that_has_ended_is_one_line():
    with ThreadPoolExecutor(1) as executor, pytest.raises(UnfinishedError, match="executor has ended"):
        outcomes(Division(executor, broken, range(3), 3))


def broken(items):
    raise BrokenProcessPool("a process was killed")
    yield


@pytest.mark.parametrize("name", ["evo_ensyth", "numpy", "numba"])
def test_a_worker_with_another_version_is_refused_by_name(name):
    with pytest.raises(InputError, match=rf"has {name} .*, this process 0\.0\.1; install the same"):
        checked({**versions(), name: "0.0.1"}, squares, [1])
    assert evo_ensyth.__version__ == versions()["evo_ensyth"]


def test_executors_say_how_many_workers_they_have():
    assert number_of_workers(Shuffled(n_workers=4)) == 4
    with ProcessPoolExecutor(3) as executor:
        assert number_of_workers(executor) == 3
    assert number_of_workers(object()) >= 1
