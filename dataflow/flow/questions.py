"""Which rows of a pass wait for which answer: each request is submitted once, however many rows need its answer."""

from collections.abc import Sequence

from dataflow.core.records import Job
from dataflow.flow.ids import Ids
from dataflow.flow.preflight import check_takes_masks
from dataflow.flow.recipe import Recipe
from dataflow.flow.sink import StepSink
from dataflow.flow.walk import Walk
from dataflow.pools.executor import LocalExecutor
from dataflow.pools.pool import Pool


class Questions:
    """Hands jobs to the pools of a step's workers and knows which rows wait for them.

    Args:
        recipe: what the step does, and its workers.
        executor: opens the pools.
        sink: gets the answers.
        ids: notes which fingerprints the ids of answers have.

    Attributes:
        pools: the open pools, by the name that requests use for their worker; empty until `open_pools`.
    """

    def __init__(self, recipe: Recipe, executor: LocalExecutor, sink: StepSink, ids: Ids) -> None:
        self.pools: dict[str, Pool] = {}
        self._recipe, self._executor, self._sink, self._ids = recipe, executor, sink, ids
        self._waiting: dict[str, list[Walk]] = {}  # id of a request → the rows that wait for its answer

    def open_pools(self) -> None:
        """Open a pool for each worker; a local model may be downloaded for it.

        Raises:
            ConfigError: a worker is given masks and takes none.
        """
        self.pools |= {name: self._executor.pool(worker) for name, worker in self._recipe.workers.items()}
        check_takes_masks(self._recipe.workers, self._recipe.masked)

    def wait(self, walk: Walk) -> list[Job]:
        """Let a row wait for every answer that it misses.

        Must be called before the next answer is handed out, which may be one that the row misses.

        Returns:
            The jobs among them that no row has asked yet; the caller submits them.
        """
        new = []
        for job in {job.id: job for job in walk.jobs if job.id in walk.missing}.values():
            waiting = self._waiting.setdefault(job.id, [])
            if not waiting:
                new.append(job)
            waiting.append(walk)
        return new

    def arrived(self, request_id: str) -> Sequence[Walk]:
        """The rows that waited for an answer which has arrived; they wait for it no more."""
        return self._waiting.pop(request_id, ())

    def submit(self, jobs: Sequence[Job], *, begun: bool) -> None:
        """Hand jobs to the pools of their workers.

        Args:
            jobs: as `wait` returned them.
            begun: whether they belong to rows that had an answer before, in this step or in an earlier one that runs at
                the same time: a pool sends those first.

        Raises:
            ConfigError: a worker is given a mask and takes none.
        """
        wanted: dict[str, list[Job]] = {}
        for job in jobs:
            wanted.setdefault(job.request.worker, []).append(job)
        masked = [name for name, its_jobs in wanted.items() if any(job.request.mask is not None for job in its_jobs)]
        check_takes_masks(self._recipe.workers, masked)
        for name, its_jobs in wanted.items():
            self._ids.count(name)
            self.pools[name].submit(its_jobs, self._sink, begun=begun)

    @property
    def pause(self) -> str:
        """Why a pool makes no calls now, of the first one that pauses; empty if none does."""
        return next((pool.pause for pool in self.pools.values() if pool.pause), "")

    @property
    def limit(self) -> str:
        """How many requests an account may have in flight and start in a minute, as far as a pool found out."""
        return next((pool.limit for pool in self.pools.values() if pool.limit), "")
