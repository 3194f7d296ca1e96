"""Dask as an executor: processes on this machine, or a scheduler somewhere else."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_ensyth.errors import InputError, dask_extra
from evo_ensyth.executors.versions import check_versions, versions

if TYPE_CHECKING:
    from distributed import Client, Future

KINDS = "local:N, tcp://HOST:PORT, tls://HOST:PORT or file:cluster.json"
LOOPBACK = "127.0.0.1"
SECONDS_TO_CONNECT = 10
SECONDS_BETWEEN_COUNTS = 0.5
# Workers use one thread each. These are set before NumPy is imported, which reads them only then.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


class Cluster:
    """The workers of a Dask client as an executor.

    Parameters
    ----------
    client : distributed.Client
    n_processes : int
        Of a cluster on this machine: those that are lost are started again.
    """

    def __init__(self, client: "Client", n_processes: int = 0) -> None:
        self.client = client
        self._n_processes = n_processes
        self._n_workers, self._counted = 0, 0.0

    @property
    def n_workers(self) -> int:
        """Threads of all workers that are connected, as counted a moment ago."""
        now = time.monotonic()
        if now - self._counted > SECONDS_BETWEEN_COUNTS:
            self._n_workers, self._counted = sum(self.client.nthreads().values()), now
            # Dask starts a killed worker again, but gives up one that is killed while it starts.
            if self._n_workers < self._n_processes:
                self.client.cluster.scale(self._n_processes)
        return self._n_workers

    def submit(self, function: Callable[..., Any], /, *args: Any) -> "Future[Any]":
        """Begin a task. No other task has its key, so a result is never that of other code or other votes."""
        return self.client.submit(function, *args, pure=False)

    def keep(self, value: Any, key: str) -> "Future[Any]":
        """Let the scheduler keep a value, and workers fetch it once; if those that hold it are lost, others fetch it.

        Parameters
        ----------
        value : object
        key : str
            The same for the same value, whoever asks, for this version of the package.
        """
        import dask

        name = f"evo_ensyth-{versions()['evo_ensyth']}-{key}"
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            return self.client.submit(_itself, value, key=name)


def _itself(value: Any) -> Any:
    return value


@contextmanager
def connected(scheduler: str) -> Iterator[Cluster]:
    """Connect to a scheduler of Dask, or start one with workers on this machine, for as long as the block runs.

    Parameters
    ----------
    scheduler : str
        ``local:N`` for N processes on this machine, which only this machine can reach, without a dashboard;
        ``tcp://HOST:PORT`` or ``tls://HOST:PORT`` of a scheduler, or ``file:`` and the path of its scheduler file.

    Raises
    ------
    InputError
        Not of this form, Dask is not installed, nobody answers, there are no workers, or they have other versions.
    """
    kind, _, where = scheduler.partition(":")
    if kind == "local":
        if not where.isdecimal() or int(where) < 1:
            raise InputError(f"the scheduler is '{scheduler}'; write local:N, with a number of processes from 1 on.")
    elif kind == "file":
        if not Path(where).is_file():
            raise InputError(f"there is no scheduler file '{where}'; 'dask scheduler --scheduler-file' writes it.")
    elif kind not in ("tcp", "tls") or not where.startswith("//"):
        raise InputError(f"the scheduler is '{scheduler}'; expected {KINDS}.")
    with dask_extra():
        import distributed
    if kind == "local":
        with _processes(int(where)) as local, distributed.Client(local, set_as_default=False) as client:
            yield Cluster(client, int(where))
        return
    if kind == "tls" and distributed.Security().get_connection_args("client")["ssl_context"] is None:
        raise InputError(f"{scheduler} needs certificates, and the settings of Dask name none; see docs/cluster.md.")
    address = {"scheduler_file": where} if kind == "file" else {"address": scheduler}
    try:
        client = distributed.Client(**address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"no scheduler of Dask answers at {scheduler} ({error}).") from error
    with client:
        _check_workers(client, scheduler)
        yield Cluster(client)


@contextmanager
def _processes(n_workers: int) -> "Iterator[Any]":
    """Start workers on this machine. Whoever can reach a scheduler can run code, so only this machine can."""
    import logging

    import dask
    import distributed

    settings = {
        "distributed.nanny.pre-spawn-environ": ONE_THREAD,
        "distributed.worker.preload": [__name__],
        "distributed.deploy.lost-worker-timeout": "60s",  # on a busy machine a worker takes long to start again
        "distributed.scheduler.http.routes": [],  # without a dashboard there are still pages, for all who can reach it
        "distributed.worker.http.routes": [],
    }
    with (
        _environment_kept(),
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            env=ONE_THREAD,  # again, because variables that are set here win over the settings
            processes=True,
            host=LOOPBACK,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": f"{LOOPBACK}:0"},  # of the empty server of these pages
            memory_limit=0,  # the system's limit is enough; workers that Dask pauses look as if they hang
            silence_logs=logging.CRITICAL,  # what becomes of killed workers is said by whoever asked for the work
        ) as cluster,
    ):
        yield cluster


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back what Dask sets in the environment of this process whenever it starts a worker."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in ONE_THREAD.keys() | {"PYTHONHASHSEED"}:
            os.environ.pop(name, None)
            os.environ.update({name: before[name]} if name in before else {})


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the process that started the workers; Dask calls this in each of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check_workers(client: "Client", scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
    except TimeoutError as error:
        raise InputError(f"{scheduler} has no workers; start some: dask worker {scheduler} --nthreads 1") from error
    workers = client.get_versions(packages=list(versions()))["workers"]
    for worker, found in workers.items():
        check_versions(found["packages"], versions(), worker)
