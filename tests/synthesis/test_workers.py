"""Building by processes that come and go: whatever happens to them, the pool is the one made in peace."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, set_forkserver_preload
from pathlib import Path

import pytest
from oracles.executors import Shuffled, forked_workers, quick_to_blame, with_workers
from test_build import MEMBERS, RECIPE, REGIMES, Smallest, contents

from evo_ensyth.errors import EvoEnsythError, InputError, UnfinishedError
from evo_ensyth.executors import tasks
from evo_ensyth.files import held_folder
from evo_ensyth.io import read_pool
from evo_ensyth.synthesis import BuildFolder, Quantisation, Route, Training, build_pool, elsewhere, workers
from evo_ensyth.synthesis.compression import silent


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A pool that was built in one go, in one process."""
    folder = tmp_path_factory.mktemp("runs") / "pool"
    build_pool(RECIPE, folder, problem="tiny")
    return folder


@dataclass(frozen=True)
class Deadly:
    """Ends the process that it runs in before its second variant, so many times."""

    deaths: int
    of: Smallest = field(default_factory=lambda: Smallest((0.2, 0.4), "deadly"))

    def names(self):
        return self.of.names()

    def variants(self, parent, inputs, *, seed, scratch=None, progress=silent):
        for number, variant in enumerate(self.of.variants(parent, inputs, seed=seed, scratch=scratch)):
            for death in range(self.deaths if number == 1 else 0):
                try:
                    (scratch / f"died-{death}").touch(exist_ok=False)
                except FileExistsError:
                    continue
                os.kill(os.getpid(), signal.SIGKILL)
            yield variant


@dataclass(frozen=True)
class Hopeless:
    """Fails before its second variant, on purpose or not."""

    on_purpose: bool = True
    of: Smallest = field(default_factory=lambda: Smallest((0.1, 0.7), "hopeless"))

    def names(self):
        return self.of.names()

    def variants(self, parent, inputs, *, seed, scratch=None, progress=silent):
        first, _ = self.of.variants(parent, inputs, seed=seed, scratch=scratch)
        yield first
        raise EvoEnsythError("nothing comes of it") if self.on_purpose else ZeroDivisionError


# Several processes


def test_two_workers_make_the_pool_that_one_process_makes(whole, tmp_path):
    messages = []
    build_pool(RECIPE, tmp_path / "pool", problem="tiny", workers=2, progress=lambda *what: messages.append(what))
    assert contents(tmp_path / "pool") == contents(whole)
    assert messages[0][2].startswith("parent, epoch 1 of 3, loss ")
    assert messages[-1] == (8, 8, "all members")
    assert {text for _, _, text in messages} >= set(MEMBERS)


# The last two are for tests of executors: there is one process to fork from.
PRELOADED = [
    "torch._dynamo",
    "sklearn.datasets",
    "evo_ensyth.synthesis.elsewhere",
    "distributed",
    "evo_ensyth.selection.run",
]


@pytest.fixture
def many_workers(monkeypatch):
    """Fork workers from a process that has imported everything, which would take most of the time of many of them."""
    set_forkserver_preload(PRELOADED)
    monkeypatch.setattr(workers, "get_context", lambda _: get_context("forkserver"))


def test_a_worker_that_dies_costs_nothing_and_one_that_always_dies_one_variant(
    whole, tmp_path, monkeypatch, many_workers
):
    monkeypatch.setattr(workers, "TRIES", 2)
    deadly, mortal = Deadly(2), Deadly(1, Smallest((0.5, 0.8), "mortal"))
    recipe = replace(RECIPE, compressors=(deadly, mortal, Smallest()), fine_tunings=REGIMES[:2])
    with pytest.raises(UnfinishedError, match=r"2 of 14 could not be made: deadly-0\.4-set1 \(it needs test_workers"):
        build_pool(recipe, tmp_path / "pool", problem="tiny", workers=2)
    found = BuildFolder(tmp_path / "pool", recipe, "tiny").status()
    assert len(found.made) == 12
    assert not found.missing
    assert list(found.failed) == ["deadly-0.4-set1", "deadly-0.4-set2"]
    assert all("its worker was killed, as happens where memory runs out, 2 times" in r for r in found.failed.values())
    assert not found.closed
    ours, theirs = (contents(folder / "members") for folder in (tmp_path / "pool", whole))
    common = [name for name in theirs if "set3" not in name]
    assert {name: ours[name] for name in common} == {name: theirs[name] for name in common}

    # It has died often enough: the next time all goes well, and nothing is made twice.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "pool").glob("members/*/member.json")}
    build_pool(recipe, tmp_path / "pool", problem="tiny")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(read_pool(tmp_path / "pool").pool) == 12
    assert not (tmp_path / "pool" / "failed.json").exists()


@dataclass(frozen=True)
class EndsAtFirst:
    """Ends a worker before it has started, so many times."""

    folder: Path
    times: int
    number: int = signal.SIGKILL

    def __call__(self):
        for time_ in range(self.times):
            try:
                (self.folder / f"ended-{time_}").touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), self.number)
        return RECIPE


def test_workers_that_are_killed_before_they_have_started_cost_nothing(whole, tmp_path, many_workers):
    killed = EndsAtFirst(tmp_path, 3)
    build_pool(RECIPE, tmp_path / "pool", problem="tiny", workers=2, reread=killed)
    assert contents(tmp_path / "pool") == contents(whole)
    assert len(list(tmp_path.glob("ended-*"))) == 3


@pytest.mark.parametrize(
    ("number", "at_most", "message"),
    [(signal.SIGKILL, 4, "4 .*its worker was killed, as"), (signal.SIGSEGV, 99, r"3 .*ended by signal 11 \(Segm")],
)
def test_workers_that_never_start_end_the_build(tmp_path, monkeypatch, many_workers, number, at_most, message):
    monkeypatch.setattr(workers, "KILLED_STARTS", at_most)
    with pytest.raises(EvoEnsythError, match=message):
        build_pool(RECIPE, tmp_path / "pool", problem="tiny", workers=1, reread=EndsAtFirst(tmp_path, 99, number))


@dataclass(frozen=True)
class Sleepy:
    """Falls asleep, and reports nothing any more, before its second variant where the environment says so."""

    of: Smallest = field(default_factory=Smallest)

    def names(self):
        return self.of.names()

    def variants(self, parent, inputs, *, seed, scratch=None, progress=silent):
        for number, variant in enumerate(self.of.variants(parent, inputs, seed=seed, scratch=scratch)):
            if number == 1 and "SLEEPY" in os.environ:
                (scratch / "asleep").touch()
                time.sleep(100)
            yield variant


SLEEPY = replace(RECIPE, compressors=(Sleepy(),))


def status(process):
    """What Linux says of a process; nothing if it is gone, or has ended and nobody has asked how."""
    try:
        fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    except FileNotFoundError:
        return {}
    return {} if fields["State"].startswith("Z") else fields


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux for the children of a process")
@pytest.mark.parametrize("end", [pytest.param(signal.SIGKILL, marks=pytest.mark.long), signal.SIGINT])
def test_workers_end_with_the_process_that_began_them(whole, tmp_path, environment, request, end):
    folder = tmp_path / "pool"
    program = (
        "import signal, test_workers\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)  # else not heard by what a shell runs with &\n"
        f"    test_workers.build_pool(test_workers.SLEEPY, {str(folder)!r}, problem='tiny', workers=1)\n"
    )
    (tmp_path / "program.py").write_text(program)
    path = os.pathsep.join([environment["PYTHONPATH"], *(str(Path(__file__).parents[up]) for up in (0, 1))])
    process = subprocess.Popen(
        [sys.executable, tmp_path / "program.py"], env={**environment, "PYTHONPATH": path, "SLEEPY": "1"},
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    request.addfinalizer(process.kill)
    deadline = time.monotonic() + 100
    while not list(folder.glob("work/*/asleep")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2  # a worker, and who looks after the semaphores of multiprocessing
    deaf = [int(status(child)["SigBlk"], 16) | int(status(child)["SigIgn"], 16) for child in children]
    assert all(signals >> (signal.SIGINT - 1) & 1 for signals in deaf)
    if end == signal.SIGINT:
        os.killpg(process.pid, end)  # as a terminal does
    else:
        process.send_signal(end)
    said = process.communicate(timeout=60)[1]
    assert said.count("KeyboardInterrupt") == (end == signal.SIGINT), said  # not one for each worker
    deadline = time.monotonic() + 5
    while any(map(status, children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(status, children))
    assert not (folder / "pool.json").exists()
    build_pool(SLEEPY, folder, problem="tiny")
    assert contents(folder / "members") == contents(whole / "members")


FIVE_KILLS = """
import os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path
import test_build
import torch._dynamo  # else by each process, for most of its time, when it begins to train
training = test_build.Training(epochs=2, batch=100)
recipe = replace(test_build.RECIPE, training=training, fine_tunings=test_build.REGIMES[:1], n_calibration=10)

def begin(folder):
    process = os.fork()
    if process == 0:
        test_build.build_pool(recipe, folder, problem="tiny")
        os._exit(0)
    return process

def undisturbed(folder):
    assert os.waitpid(begin(folder), 0)[1] == 0
    return test_build.contents(folder)

runs, rng = Path(sys.argv[1]), random.Random(1)
test_build.datasets.load("digits")
start = time.monotonic()
expected = undisturbed(runs / "whole")
duration = time.monotonic() - start
kills = pools = 0
while kills < 5:
    pools += 1
    for _ in range(5):
        process = begin(runs / str(pools))
        time.sleep(rng.uniform(0.02, 0.6) * duration)
        os.kill(process, signal.SIGKILL)
        kills += os.waitpid(process, 0)[1] == signal.SIGKILL
    assert undisturbed(runs / str(pools)) == expected
print(kills, "kills,", pools, "pools")
"""


def test_five_random_kills_never_change_the_pool(tmp_path, environment):
    path = os.pathsep.join([environment["PYTHONPATH"], *(str(Path(__file__).parents[up]) for up in (0, 1))])
    said = subprocess.run(
        [sys.executable, "-c", FIVE_KILLS, tmp_path], env={**environment, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert int(said.stdout.split()[0]) >= 5


# What cannot be made


def test_a_member_that_fails_is_reported_and_may_be_left_out(tmp_path):
    recipe = replace(RECIPE, compressors=(Smallest(), Hopeless()), fine_tunings=REGIMES[:1], controls=())
    with pytest.raises(UnfinishedError, match=r"1 of 4 could not be made: hopeless-0\.7-set1 \(it needs .*: nothing"):
        build_pool(recipe, tmp_path / "pool", problem="tiny")
    assert not (tmp_path / "pool" / "pool.json").exists()
    build_pool(recipe, tmp_path / "pool", problem="tiny", without_failed=True)
    stored = read_pool(tmp_path / "pool")
    assert stored.pool.names == ("smallest-0.3-set1", "smallest-0.6-set1", "hopeless-0.1-set1")
    assert list(stored.about["failed"]) == ["hopeless-0.7-set1"]
    found = BuildFolder(tmp_path / "pool", recipe, "tiny").status()
    assert found.closed
    assert (found.made, found.missing, found.failed) == (stored.pool.names, (), stored.about["failed"])
    with pytest.raises(UnfinishedError):  # Another try is made.
        build_pool(recipe, tmp_path / "pool", problem="tiny")


def test_a_training_that_diverges_costs_its_members(tmp_path):
    wild = replace(REGIMES[0], name="wild", learning_rate=1e30)
    recipe = replace(RECIPE, compressors=(Route(Smallest((0.3,)), (wild, REGIMES[0]), then=(Quantisation((4,)),)),))
    with pytest.raises(UnfinishedError, match="training diverged in epoch 1"):
        build_pool(replace(recipe, controls=()), tmp_path / "pool", problem="tiny")
    found = BuildFolder(tmp_path / "pool", replace(recipe, controls=()), "tiny").status()
    assert found.made == ("smallest-0.3-set1", "smallest-0.3-set1-quantisation-4")
    assert list(found.failed) == ["smallest-0.3-wild", "smallest-0.3-wild-quantisation-4"]
    assert found.failed["smallest-0.3-wild-quantisation-4"].startswith("it needs smallest-0.3-wild: training diverged")


def test_a_pool_without_any_member_is_not_finished(tmp_path):
    recipe = replace(RECIPE, training=Training(epochs=1, learning_rate=1e30), controls=())
    with pytest.raises(UnfinishedError, match=r"6 of 6 could not be made: .*, 3 more\."):
        build_pool(recipe, tmp_path / "pool", problem="tiny", without_failed=True)


def test_an_unexpected_error_ends_a_build_in_this_process(tmp_path):
    recipe = replace(RECIPE, compressors=(Hopeless(on_purpose=False),), controls=())
    with pytest.raises(ZeroDivisionError):
        build_pool(recipe, tmp_path / "pool", problem="tiny")


def test_two_processes_do_not_work_on_one_pool(tmp_path):
    (tmp_path / "pool").mkdir()
    with held_folder(tmp_path / "pool"), pytest.raises(InputError, match=r"another process is at work in .*pool"):
        build_pool(RECIPE, tmp_path / "pool", problem="tiny")


def test_a_number_of_workers_below_zero_is_refused(tmp_path):
    with pytest.raises(InputError, match="workers is -1; it must be 0 or more"):
        build_pool(RECIPE, tmp_path / "pool", problem="tiny", workers=-1)


# Workers of an executor


def test_the_order_in_which_steps_of_an_executor_end_changes_nothing(whole, tmp_path):
    messages = []
    build_pool(
        RECIPE, tmp_path / "pool", problem="tiny", executor=Shuffled(1), progress=lambda *what: messages.append(what)
    )
    assert contents(tmp_path / "pool") == contents(whole)
    assert messages[0] == (0, 1, "the parent, on a worker")
    assert messages[-1] == (8, 8, "all members")


def test_a_step_whose_worker_is_killed_is_tried_alone(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "TRIES", 1)
    monkeypatch.setattr(tasks, "_killed", lambda error: isinstance(error, ZeroDivisionError))
    once, n_killed = elsewhere.do_step, []

    def killed_at_first(build, step, titles):
        if step.name not in n_killed:
            n_killed.append(step.name)
            raise ZeroDivisionError
        return once(build, step, titles)

    monkeypatch.setattr(elsewhere, "do_step", killed_at_first)
    build_pool(RECIPE, tmp_path / "pool", problem="tiny", executor=Shuffled())
    assert contents(tmp_path / "pool") == contents(whole)


def test_a_step_that_kills_all_its_workers_is_named_and_the_rest_is_made(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "_killed", lambda error: isinstance(error, ZeroDivisionError))
    once = elsewhere.do_step

    def killed(build, step, titles):
        return 1 // 0 if "smallest-0.6-set2" in titles else once(build, step, titles)

    monkeypatch.setattr(elsewhere, "do_step", killed)
    with pytest.raises(UnfinishedError, match="its worker was killed, as happens where memory runs out, 5 times"):
        build_pool(RECIPE, tmp_path / "pool", problem="tiny", executor=Shuffled())
    monkeypatch.setattr(elsewhere, "do_step", once)
    build_pool(RECIPE, tmp_path / "pool", problem="tiny")
    assert contents(tmp_path / "pool") == contents(whole)


def test_a_worker_that_does_not_see_the_folder_or_has_another_torch_is_refused(tmp_path, monkeypatch):
    once = elsewhere.Build
    for changes, match in (
        ({"torch": "0.1"}, r"has torch .*, this process 0\.1"),
        ({"sign": tmp_path / "no"}, "does not see"),
    ):
        monkeypatch.setattr(elsewhere, "Build", lambda *fields, changes=changes: replace(once(*fields), **changes))
        with pytest.raises(InputError, match=match):
            build_pool(RECIPE, tmp_path / "pool", problem="tiny", executor=Shuffled())


def test_a_step_ends_soon_after_the_build(tmp_path, monkeypatch):
    executor = Shuffled()
    monkeypatch.setattr(elsewhere.time, "sleep", lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt))
    executor.end_one = lambda: None
    with pytest.raises(KeyboardInterrupt):
        build_pool(RECIPE, tmp_path / "pool", problem="tiny", executor=executor)
    assert not list((tmp_path / "pool" / "work").glob("at-work-*"))


@pytest.mark.filterwarnings("default")  # parts of Dask warn about what this interpreter will drop
def test_killed_workers_of_a_scheduler_cost_nothing_and_a_step_that_kills_all_is_named(whole, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "TRIES", 1)
    mortal = Deadly(1, Smallest((0.5, 0.8), "mortal"))
    recipe = replace(RECIPE, compressors=(Deadly(2), mortal, Smallest()), fine_tunings=REGIMES[:1], controls=())
    with forked_workers(2, PRELOADED) as cluster, quick_to_blame(with_workers(cluster, 2)):
        with pytest.raises(UnfinishedError, match=r"2 of 6 could not be made: deadly-0\.2-set1 \(.* was killed"):
            build_pool(recipe, tmp_path / "pool", problem="tiny", executor=cluster)
        build_pool(recipe, tmp_path / "pool", problem="tiny", executor=cluster)  # it has died often enough
    assert len(read_pool(tmp_path / "pool").pool) == 6
    ours, theirs = (contents(folder / "members") for folder in (tmp_path / "pool", whole))
    common = [name for name in theirs if "set1" in name]
    assert {name: ours[name] for name in common} == {name: theirs[name] for name in common}
