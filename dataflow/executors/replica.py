"""The driver's side of one replica: an actor of Ray with a worker in it, made again after it was lost.

It stands where `Child` stands for a process of this machine. What was in an actor when it was lost is given back for
another attempt, on whatever replica has room; neither kind of loss says whether the call ran.
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

_DEATHS = 4  # in a row, without an answer between, on nodes that live; one row may cause three
_LOST_RETRIES = 2  # both replicas that a row was given to may be on a node that dies
_PING_SECONDS = 10.0  # for a neighbour of a lost replica
_CLOSE_SECONDS = 5.0
_numbers = count(1)  # Ray's names of actors are unique


@dataclass(frozen=True, slots=True)
class Parcel:
    """A worker, ready to be sent to nodes.

    Args:
        worker: the driver's own.
        message: the pickle of a copy.
        resources: of each replica.
        versions: that the driver has.
    """

    worker: Worker
    message: bytes
    resources: Resources
    versions: Mapping[str, str]

    @classmethod
    def of(cls, worker: Worker, resources: Resources) -> "Parcel":
        """That of a prepared worker, its class by value where that stands in the script itself.

        Raises:
            ConfigError: it does not pickle.
        """
        sent = worker.on_device(resources.device) if resources.device else worker
        try:
            message = ray.cloudpickle.dumps(sent)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ConfigError(f"{worker} cannot be sent to the nodes of a cluster: {error}") from error
        return cls(worker, message, resources, versions(worker))


class Replica:
    """One actor at a time.

    Args:
        parcel: with the worker.

    Attributes:
        node: Ray's id of where it runs; empty while the cluster has no room for it.
        doubted: a replica on its node was lost, so that it is asked whether it lives before it gets work.
        warming: what the first answers of its worker wait for.
    """

    def __init__(self, parcel: Parcel) -> None:
        self.node = ""
        self.doubted = False
        self.warming = ""
        self._parcel = parcel
        self._host = ""
        self._actor: Any = None
        self._deaths = 0
        self._reason = self._said = ""  # of its last loss, and by Ray
        self._ended = False

    @property
    def alive(self) -> bool:
        """Whether it has loaded and was not lost."""
        return self._actor is not None

    async def start(self) -> Settled:
        """Have an actor that is ready; waits as long as the cluster has no room for one.

        Raises:
            ConfigError: the node differs from the driver, or the worker cannot load there.
            WorkerDied: its actors keep dying.
        """
        while True:
            if self._deaths >= _DEATHS:
                raise WorkerDied(f"{self._reason}, {_DEATHS} times in a row. Ray says:\n{self._said}")
            self.node = self._host = ""
            actor = self._created()
            try:
                self.node, self._host = await actor.where.remote()
                with _mark(self._parcel.worker.save_path) as mark:
                    settled = _result(await actor.open.remote(self._parcel.message, str(Path.cwd()), mark))
            except RayError as error:
                _kill(actor)  # one that is merely out of reach would hold its place
                if isinstance(error, RuntimeEnvSetupError) or getattr(error, "actor_init_failed", False):
                    raise ConfigError(
                        f"{self._parcel.worker} cannot run on a node: install there what the driver has. {_last(error)}"
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
        """Follow what it warms up for until its actor is gone."""
        while (actor := self._actor) is not None:
            try:
                self.warming = await actor.watch.remote(self.warming)
            except RayError as error:
                self._lose(actor, error)

    async def call(self, batch: Sequence[Job]) -> Sequence[Answer]:
        """The answers of its worker, or why they are lost.

        Raises:
            DataflowError: it was closed meanwhile.
        """
        actor = self._actor
        if actor is None:
            return [Answer(error=Failure("retry", f"a replica of {self._parcel.worker} was lost"))] * len(batch)
        try:
            answers = _result(await actor.call.remote(pickle.dumps(batch)))
        except RayTaskError:
            raise
        except RayError as error:
            reason = self._lose(actor, error)
            return [Answer(error=Failure("retry", reason, retries=_LOST_RETRIES, suspect=True))] * len(batch)
        except asyncio.CancelledError:  # nobody waits for it any more: the next call must not wait for it either
            self._lose(actor, None)
            raise
        self._deaths = 0
        assert isinstance(answers, list)
        if pictures := [picture.path for answer in answers for picture in answer.pictures]:
            await asyncio.to_thread(_look_anew, pictures)
        return answers

    async def is_there(self) -> bool:
        """Whether it may get work; asks its actor only where that is in doubt."""
        actor = self._actor
        if actor is not None and self.doubted:
            try:
                await asyncio.wait_for(actor.ping.remote(), _PING_SECONDS)
                self.doubted = False
            except (RayError, TimeoutError) as error:
                self._lose(actor, error if isinstance(error, RayError) else GetTimeoutError("it does not answer"))
        return self.alive

    def let_go(self) -> None:
        """Tell its worker that a run stops."""
        if self._actor is not None:
            self._actor.let_go.remote()

    async def end(self) -> None:
        """Let it close its worker, and free its place."""
        actor, self._actor, self._ended = self._actor, None, True
        if actor is not None:
            with suppress(RayError, TimeoutError):
                await asyncio.wait_for(actor.close.remote(), _CLOSE_SECONDS)
            _kill(actor)

    def _created(self) -> Any:
        needs = self._parcel.resources
        kind = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus, max_restarts=0, max_task_retries=0)(Actor)
        job = ray.get_runtime_context().get_job_id()  # a script's own namespace may have several
        name = f"{self._parcel.worker} {next(_numbers)} of job {job}"
        return kind.options(name=name).remote(dict(self._parcel.versions))

    def _lose(self, actor: Any, error: RayError | None) -> str:
        """Give its actor up; why, in words.

        Raises:
            DataflowError: it was closed.
        """
        if self._ended:
            raise DataflowError(f"{self._parcel.worker} was closed while it worked")
        if actor is not self._actor:  # of several calls that were in it, or one that was cut off
            return self._reason
        self._actor = None
        _kill(actor)  # one that is merely out of reach would hold its place, and its node's memory
        self._reason = f"a replica of {self._parcel.worker} was ended amid another call, which was cut off"
        if error is not None:
            log.warning("%s; it is started again", self._explain(error))
        return self._reason

    def _explain(self, error: RayError) -> str:
        reason = f"a replica of {self._parcel.worker} was lost{self._host and f' on {self._host}'} ({_last(error)})"
        lives = not self.node or any(each["NodeID"] == self.node and each["Alive"] for each in ray.nodes())
        self._deaths += lives  # a node's death says nothing of the worker
        self._reason, self._said = reason, str(error)
        return reason


def _last(error: RayError) -> str:
    """The line in which Ray says what happened; those before it name ids."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:300]


def _result(message: bytes) -> object:
    """What an actor returned.

    Raises:
        Exception: of the worker.
    """
    result: object = pickle.loads(message)  # noqa: S301 - from our own actor
    if isinstance(result, Exception):
        raise result
    return result


@contextmanager
def _mark(folder: str) -> Iterator[str]:
    """A new file that whoever shares this folder sees; none where there is no folder.

    Raises:
        ConfigError: it cannot be written.
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


def _look_anew(paths: Sequence[str]) -> None:
    """Have this machine see files of another one: NFS remembers for up to a minute what it looked for in vain.

    Source: nfs(5), "Directory entry caching" and "Close-to-open cache consistency": a folder that is opened is asked
    for anew.
    """
    for path in map(Path, paths):
        with suppress(OSError):  # what is missing in truth is told by whoever reads it
            if not path.exists():
                os.scandir(path.parent).close()


def _kill(actor: Any) -> None:
    with suppress(RayError, ValueError):  # it is gone already, or Ray is
        ray.kill(actor)
