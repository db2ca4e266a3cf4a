"""What every serving of a model on this machine does the same way: identity, devices, one launch thread.

The object holds plain values until `setup`, so it can be sent to a process of its own, one per device. All work
on the model happens on one thread, so that the event loop stays free and two batches never meet in a model.
"""

import asyncio
import importlib.util
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from dataflow.core.records import JSON
from dataflow.core.worker import Placement, Resources
from dataflow.errors import ConfigError
from dataflow.models.source import Source
from dataflow.serving.base import ServingABC
from dataflow.serving.local.devices import check_devices, devices_of


class Loaded(Protocol):
    """Weights in memory."""

    def free(self) -> None:
        """Let go of them."""


_LOADING = threading.Lock()

Model = TypeVar("Model", bound=Loaded)
Made = TypeVar("Made")


def need_peft() -> None:
    """Check that what loads LoRAs is installed.

    Raises:
        ConfigError: it is not; names the extra.
    """
    if importlib.util.find_spec("peft") is None:
        raise ConfigError("lora=... needs the library peft: pip install 'dataflow-mm[lora]'")


class LocalWorker(ServingABC, Generic[Model]):
    """A model on this machine.

    Attributes:
        libraries: that make the answers; their versions are noted.
        placement: on which devices it may run, one process each; known after `settle`.
        licence: of the weights, as their model card says; known after `fingerprint`, so that a step which only
            replays records it too, or after `settle` where that downloads them.
    """

    libraries: Sequence[str] = ()

    def __init__(self, source: Source, device: str | Sequence[str] | None, batch_size: int) -> None:
        self._source = source
        self.placement = Placement(devices_of(device))
        self.batching = replace(self.batching, max_batch=batch_size)
        self.licence = ""
        self._identity: Mapping[str, JSON] | None = None
        self._model: Model | None = None
        self._launch: ThreadPoolExecutor | None = None

    def __str__(self) -> str:
        """The last two parts of the model's name or folder, such as "owner/name"."""
        return "/".join(Path(self._source.model).parts[-2:])

    @abstractmethod
    def _identify(self) -> Mapping[str, JSON]:
        """The model by name and commit, or by content for a folder, and all that changes its answers."""

    @abstractmethod
    def _load(self) -> Model:
        """The weights on the first device; runs on the launch thread.

        Raises:
            RuntimeError: before `settle`.
            ConfigError: the weights cannot be loaded, or do not fit.
        """

    def fingerprint(self) -> Mapping[str, JSON]:
        """The model by name and commit, or by content for a folder, and all that changes its answers.

        Raises:
            ConfigError: the model is not here and the hub cannot be asked for its revision.
        """
        if self._identity is None:
            self._identity = self._identify()
            self.licence = self._source.licence()
        return self._identity

    def provenance(self) -> Mapping[str, JSON]:
        """The model's folder or name, its commit on the hub, and the versions of what runs it."""
        versions: dict[str, JSON] = {name: version(name) for name in self.libraries}
        return {**self._source.describe(self.fingerprint()), "libraries": versions}

    def resources(self, gpus: int) -> Resources:
        """One GPU, unless it asked for the CPU or there is none."""
        asked = self.placement.devices
        on_cpu = set(asked) == {"cpu"} if asked else not gpus
        return Resources(device="cpu") if on_cpu else Resources(gpus=1.0, device="cuda:0")

    async def setup(self) -> None:
        """Load the weights onto the first device."""
        self._launch = ThreadPoolExecutor(1, thread_name_prefix="dataflow-launch")
        self._model = await self._launched(self._load_alone)

    def _load_alone(self) -> Model:
        """The weights; no other worker of the process loads meanwhile.

        Two models of a step may be opened at once, and diffusers and transformers import their parts when they are
        first used: a second thread then finds a half of a module, or weights that a patch of the first one leaves out.
        """
        with _LOADING:
            return self._load()

    async def close(self) -> None:
        """Free the memory; not on the launch thread, which is gone when the interpreter ends."""
        if self._launch is not None:
            self._launch.shutdown(wait=False, cancel_futures=True)
        if self._model is not None:
            self._model.free()
        self._model = self._launch = None

    def _settle_devices(self) -> None:
        """Choose or check the devices, and claim those that are GPUs."""
        devices = check_devices(self.placement.devices)
        gpus = sum(name.startswith("cuda") for name in devices)
        self.placement = replace(self.placement, devices=devices, gpus=gpus)

    async def _launched(self, work: Callable[[], Made]) -> Made:
        """What `work` returns, made on the launch thread."""
        return await asyncio.get_running_loop().run_in_executor(self._launch, work)
