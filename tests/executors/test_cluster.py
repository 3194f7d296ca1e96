"""Dask behind `--scheduler`: real processes on this machine, killed workers, poisoned tasks, and what is refused."""

import functools
import itertools
import json
import os
import signal
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from oracles import votes as naive
from oracles.executors import finished, forked_workers, quick_to_blame, with_workers

import evo_ensyth as ee
from evo_ensyth.errors import InputError
from evo_ensyth.executors import connected, versions
from evo_ensyth.executors.cluster import ONE_THREAD
from evo_ensyth.executors.tasks import Division, WorkerKilled
from evo_ensyth.pool import Votes
from evo_ensyth.selection.exact import proof as proofs
from evo_ensyth.selection.exact.proof import Proof

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
# Parts of the network library warn about what this interpreter will drop.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def cluster():
    before = {name: os.environ.get(name) for name in (*ONE_THREAD, "PYTHONHASHSEED")}
    with forked_workers(1, ["distributed", "evo_ensyth.selection.run"]) as cluster:
        yield cluster
    assert {name: os.environ.get(name) for name in before} == before


@pytest.fixture(scope="module")
def votes():
    """Votes, and so many parts that a proof has some dozens of rounds."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(proofs, "SMALLEST_PART", 500)
        monkeypatch.setattr(proofs, "LARGEST_PART", 500)
        labels, truth = naive.random_votes(np.random.default_rng(1), 17, 200, 4, 0.6)
        yield Votes(labels, truth, 4, "search")


PROOFS = [(17, False), (6, True)]  # largest size, and whether by a tree


@pytest.fixture(scope="module")
def proven(votes):
    """What this process finds; kernels that it compiles are there for the workers."""
    return [finished(Proof(votes, *asked)) for asked in PROOFS]


def test_a_killed_worker_changes_nothing_even_if_it_is_the_only_one(cluster, votes, proven):
    (pid,) = with_workers(cluster, 1).client.run(os.getpid).values()
    os.kill(pid, signal.SIGSTOP)  # what it is given now, it does not finish
    n_asked = itertools.count()

    def keep_going():
        if next(n_asked) == 5:
            os.kill(pid, signal.SIGKILL)
        return True

    assert finished(Proof(votes, *PROOFS[0], cluster), keep_going) == proven[0]
    assert next(n_asked) > 5
    assert pid not in cluster.client.run(os.getpid).values()


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_a_proof_is_the_same_however_many_workers_there_are(cluster, votes, proven, n_workers):
    with_workers(cluster, n_workers)
    assert [finished(Proof(votes, *asked, cluster)) for asked in PROOFS] == proven


def test_a_scheduler_elsewhere_is_asked_for_its_versions(cluster, monkeypatch, tmp_path):
    address = with_workers(cluster, 3).client.scheduler.address
    (tmp_path / "cluster.json").write_text(json.dumps({"address": address}))
    for scheduler in (address, f"file:{tmp_path / 'cluster.json'}"):
        with connected(scheduler) as other:
            assert other.n_workers == 3
            assert other.submit(abs, -3).result() == 3
    monkeypatch.setattr("evo_ensyth.executors.cluster.versions", lambda: {**versions.versions(), "numba": "0.1"})
    with pytest.raises(InputError, match=r"the worker tcp://127.* has numba .*, this process 0\.1; install the same"):
        connected(address).__enter__()


TIMES = ("command", "seconds", "seconds_compiling", "time", "folder")


def without_times(run):
    """What a run holds, without what the clock and the command line give."""
    if isinstance(run, dict):
        return {key: without_times(run[key]) for key in run if key not in TIMES}
    return [without_times(one) for one in run] if isinstance(run, list) else run


@pytest.fixture
def file(npz, votes, proven):
    return npz({"labels": votes.y_pred, "truth": votes.y_true})


def test_a_search_with_a_scheduler_writes_the_same_run(cluster, call, file):
    here = ee.search(file, selector="exact", n_folds=0).to_dict()
    address = with_workers(cluster, 3).client.scheduler.address
    said = call("search", file, "--selector", "exact", "--folds", 0, "--quiet", "--scheduler", address, "--out", "run")
    assert (said.status, said.err) == (0, "")
    assert without_times(ee.read_run("run").to_dict()) == without_times(here)


@pytest.mark.parametrize("first", ["divided", "here"])
def test_a_signal_keeps_what_came_and_the_rest_may_be_done_with_and_without_a_scheduler(cluster, file, tmp_path, first):
    executors = [with_workers(cluster, 3), None] if first == "divided" else [None, cluster]
    search = functools.partial(
        ee.search, ee.load(file), selector="exact", n_folds=0, baselines=(), scratch=tmp_path / "unfinished"
    )

    def stop(progress):
        if progress.selector == "exact" and "% done" in progress.message and not progress.message.startswith("100"):
            signal.raise_signal(signal.SIGTERM)

    stopped = search(executor=executors[0], on_progress=stop)
    assert stopped.interrupted_by == "SIGTERM"
    assert stopped.front.n_evaluations > 0
    (checkpoint,) = (tmp_path / "unfinished").iterdir()
    rest = search(executor=executors[1])
    assert not checkpoint.exists()
    whole = search()
    assert (rest.front.n_evaluations, rest.front.proven_sizes) == (whole.front.n_evaluations, whole.front.proven_sizes)
    assert [one.members for one in rest.front.ensembles] == [one.members for one in whole.front.ensembles]


def test_another_split_is_searched_elsewhere(cluster, file):
    search = functools.partial(ee.search, file, ["error", "n_members"], selector="forward_greedy", splits=2, n_folds=0)
    here = search().source  # compiles what workers then find compiled
    assert search(executor=cluster).source == here


def poisoned(items):
    for item in items:
        if item == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        yield item


def test_a_poisoned_item_is_named_and_its_neighbours_are_done(cluster):
    division = Division(cluster, poisoned, range(20), 20)
    found = []
    with quick_to_blame(cluster):
        while some := division.outcomes():
            found += some
    assert [one.item for one in found if isinstance(one.result, WorkerKilled)] == [13]
    assert sorted(one.item for one in found) == list(range(20))


def test_workers_use_one_thread_and_only_this_machine_can_reach_them():
    with dask.config.set({"distributed.worker.multiprocessing-method": "spawn"}), connected("local:1") as cluster:
        ((n_threads, variables),) = cluster.client.run(_threads).values()
        assert n_threads == 1
        assert variables == ["1"] * len(variables)
        assert cluster.client.scheduler.address.startswith("tcp://127.0.0.1:")
        server = cluster.client.cluster.scheduler.http_server
        assert server.address == "127.0.0.1"
        for page in ("", "status", "info/main/workers.html", "metrics", "json/identity.json", "health"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://127.0.0.1:{server.port}/{page}", timeout=5)


def _threads():
    import numba

    return int(numba.config.NUMBA_NUM_THREADS), [os.environ.get(name) for name in ONE_THREAD]


@pytest.mark.parametrize(
    ("scheduler", "match"),
    [
        ("local:0", "write local:N"),
        ("local:two", "write local:N"),
        ("local", "write local:N"),
        ("10.0.0.1:8786", "expected local:N, tcp://HOST:PORT"),
        ("file:nowhere.json", "there is no scheduler file 'nowhere.json'"),
        ("tcp://127.0.0.1:1", "no scheduler of Dask answers at tcp://127.0.0.1:1"),
        ("tls://127.0.0.1:1", "tls://127.0.0.1:1 needs certificates"),
    ],
)
def test_what_is_no_scheduler_is_refused_in_one_line(scheduler, match, monkeypatch):
    monkeypatch.setattr("evo_ensyth.executors.cluster.SECONDS_TO_CONNECT", 0.2)
    with pytest.raises(InputError, match=match):
        connected(scheduler).__enter__()


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'evo-ensyth\[dask\]'"):
        connected("local:2").__enter__()


def test_a_search_that_cannot_be_divided_says_so(call, file):
    said = call("search", file, "--scheduler", "local:2")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "--scheduler divides the proof of 'exact' and the searches of --splits" in said.err
