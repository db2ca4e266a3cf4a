"""The driver's side of one replica: starts an actor of Ray with a worker in it, again and again if actors are lost.

A `Replica` is to an actor what `Child` is to a process of this machine. Requests that were in a lost actor get another
attempt, on any replica with room. Whether a call has run in the lost actor is never known.
"""

import asyncio
import logging
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError, RuntimeEnvSetupError

from dataflow.core.records import Answer, Job
from dataflow.core.worker import Resources, Worker
from dataflow.errors import ConfigError, DataflowError, Failure, WorkerDied
from dataflow.executors.actor import Actor, Settled, versions

log = logging.getLogger(__name__)

_DEATHS = 4  # in a row without an answer, on living nodes; one row may cause three
_LOST_RETRIES = 2  # a row may lose two replicas to one node that dies
_PING_SECONDS = 10.0  # in which an actor answers that is asked whether it lives
_CLOSE_SECONDS = 5.0  # in which an actor closes its worker
_numbers = count(1)  # for names of actors, which Ray wants unique


@dataclass(frozen=True, slots=True)
class PickledWorker:
    """A worker in the form in which it is sent to nodes.

    Args:
        worker: the driver's own worker.
        message: pickle of a copy of the worker.
        resources: of each replica.
        versions: name → version of the driver's software.
    """

    worker: Worker
    message: bytes
    resources: Resources
    versions: Mapping[str, str]

    @classmethod
    def of(cls, worker: Worker, resources: Resources) -> "PickledWorker":
        """Pickle a prepared worker; a class that the script itself defines is sent by value.

        Raises:
            ConfigError: the worker does not pickle.
        """
        sent = worker.on_device(resources.device) if resources.device else worker
        try:
            message = ray.cloudpickle.dumps(sent)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ConfigError(f"{worker} cannot be sent to the nodes of a cluster: {error}") from error
        return cls(worker, message, resources, versions(worker))


class Replica:
    """One replica, which has one actor at a time.

    Args:
        pickled: the worker to start.

    Attributes:
        node: Ray's id of the actor's node; "": the cluster has no room for the actor yet.
        doubted: another replica on the same node was lost, so the actor is asked whether it lives before it gets work.
        warming: what the first answers of the worker wait for, in words.
    """

    def __init__(self, pickled: PickledWorker) -> None:
        self.node = ""
        self.doubted = False
        self.warming = ""
        self._pickled = pickled
        self._host = ""
        self._actor: Any = None
        self._deaths = 0
        self._reason = self._ray_says = ""  # why the last actor was lost, in our words and in Ray's
        self._ended = False

    @property
    def alive(self) -> bool:
        """Whether the actor has loaded and was not lost."""
        return self._actor is not None

    async def start(self) -> Settled:
        """Start an actor and load the worker in it; waits while the cluster has no room.

        Raises:
            ConfigError: the node differs from the driver, or the worker cannot load there.
            WorkerDied: the actors keep dying.
        """
        while True:
            if self._deaths >= _DEATHS:
                raise WorkerDied(f"{self._reason}, {_DEATHS} times in a row. Ray says:\n{self._ray_says}")
            self.node = self._host = ""
            actor = self._start_actor()
            try:
                self.node, self._host = await actor.where.remote()
                with _mark(self._pickled.worker.save_path) as mark:
                    settled = _result(await actor.open.remote(self._pickled.message, str(Path.cwd()), mark))
            except RayError as error:
                _kill(actor)  # an actor that is merely out of reach would keep its resources
                if isinstance(error, RuntimeEnvSetupError) or getattr(error, "actor_init_failed", False):
                    raise ConfigError(
                        f"{self._pickled.worker} cannot run on a node: install there what the driver has."
                        f" {_last(error)}"
                    ) from error
                log.warning("%s; it is started again", self._explain(error))
                continue
            except BaseException:
                _kill(actor)
                raise
            assert isinstance(settled, Settled)
            self.doubted = False
            self._actor = actor
            return settled

    async def until_lost(self) -> None:
        """Keep `warming` up to date until the actor is lost."""
        while (actor := self._actor) is not None:
            try:
                self.warming = await actor.watch.remote(self.warming)
            except RayError as error:
                self._lose(actor, error)

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """The worker's answers, or failures that say why the answers are lost.

        Raises:
            DataflowError: the replica was closed meanwhile.
        """
        actor = self._actor
        if actor is None:
            return [Answer(error=Failure("retry", f"a replica of {self._pickled.worker} was lost"))] * len(batch)
        try:
            answers = _result(await actor.call.remote(pickle.dumps(batch)))
        except RayTaskError:
            raise
        except RayError as error:
            reason = self._lose(actor, error)
            return [Answer(error=Failure("retry", reason, retries=_LOST_RETRIES, suspect=True))] * len(batch)
        except asyncio.CancelledError:  # the caller is gone, and the next call must not wait for this one
            self._lose(actor, None)
            raise
        self._deaths = 0
        assert isinstance(answers, list)
        if pictures := [picture.path for answer in answers for picture in answer.pictures]:
            await asyncio.to_thread(_refresh_folders, pictures)
        return answers

    async def is_there(self) -> bool:
        """Whether the replica may get work; asks the actor only if the replica is doubted."""
        actor = self._actor
        if actor is not None and self.doubted:
            try:
                await asyncio.wait_for(actor.ping.remote(), _PING_SECONDS)
                self.doubted = False
            except (RayError, TimeoutError) as error:
                self._lose(actor, error if isinstance(error, RayError) else GetTimeoutError("it does not answer"))
        return self.alive

    def let_go(self) -> None:
        """Tell the worker that a run stops."""
        if self._actor is not None:
            self._actor.let_go.remote()

    async def end(self) -> None:
        """Close the worker, and free the actor's resources."""
        actor, self._actor, self._ended = self._actor, None, True
        if actor is not None:
            with suppress(RayError, TimeoutError):
                await asyncio.wait_for(actor.close.remote(), _CLOSE_SECONDS)
            _kill(actor)

    def _start_actor(self) -> Any:
        """Ask Ray for a new actor, which starts once the cluster has room."""
        needs = self._pickled.resources
        kind = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus, max_restarts=0, max_task_retries=0)(Actor)
        job = ray.get_runtime_context().get_job_id()  # several jobs may share a namespace
        name = f"{self._pickled.worker} {next(_numbers)} of job {job}"
        return kind.options(name=name).remote(dict(self._pickled.versions))

    def _lose(self, actor: Any, error: RayError | None) -> str:
        """Give the actor up; returns the reason in words.

        Args:
            actor: the actor in which the call was.
            error: of Ray; None: the call was cut off.

        Raises:
            DataflowError: the replica was closed.
        """
        if self._ended:
            raise DataflowError(f"{self._pickled.worker} was closed while it worked")
        if actor is not self._actor:  # another call, or a cut-off one, has given this actor up already
            return self._reason
        self._actor = None
        _kill(actor)  # an actor that is merely out of reach would keep its resources and its node's memory
        self._reason = f"a replica of {self._pickled.worker} was ended amid another call, which was cut off"
        if error is not None:
            log.warning("%s; it is started again", self._explain(error))
        return self._reason

    def _explain(self, error: RayError) -> str:
        """Count a death of the actor, unless its node died too; returns the reason in words."""
        reason = f"a replica of {self._pickled.worker} was lost{self._host and f' on {self._host}'} ({_last(error)})"
        lives = not self.node or any(each["NodeID"] == self.node and each["Alive"] for each in ray.nodes())
        self._deaths += lives  # the death of a node says nothing about the worker
        self._reason, self._ray_says = reason, str(error)
        return reason


def _last(error: RayError) -> str:
    """The last line of Ray's message, which says what happened; the lines before name ids."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:300]


def _result(message: bytes) -> object:
    """Unpickle what an actor returned.

    Raises:
        Exception: the actor returned an exception of its worker.
    """
    result: object = pickle.loads(message)  # noqa: S301 - from our own actor
    if isinstance(result, Exception):
        raise result
    return result


@contextmanager
def _mark(folder: str) -> Iterator[str]:
    """Make a file by which a node sees that it shares the folder; yields the path of the file, or "" without a folder.

    Raises:
        ConfigError: the file cannot be written.
    """
    if not folder:
        yield ""
        return
    path = Path(folder).expanduser().absolute() / f".shared-{token_hex(8)}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise ConfigError(f"pictures cannot be saved: {path.parent}: {error.strerror}") from error
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def _refresh_folders(paths: Sequence[str]) -> None:
    """Make this machine see files that another one has just written, since NFS remembers missing files for a minute.

    Opening the folder makes NFS ask the server again.
    Source: nfs(5), "Directory entry caching" and "Close-to-open cache consistency".
    """
    for path in map(Path, paths):
        with suppress(OSError):  # a file that is truly missing is reported when it is read
            if not path.exists():
                os.scandir(path.parent).close()


def _kill(actor: Any) -> None:
    with suppress(RayError, ValueError):  # the actor is gone already, or Ray is shut down
        ray.kill(actor)
