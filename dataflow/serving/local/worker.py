"""What the servings of models on this machine share: identity, devices, and the launch thread.

A serving holds plain values until `setup`, so it can be sent to one process per device. All work on the model runs on
one thread, the launch thread, so that the event loop stays free and the model never runs two batches at the same time.
"""

import asyncio
import importlib.util
import logging
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
from dataflow.serving.local.devices import check_devices, describe_unused_gpus, devices_of


class Loaded(Protocol):
    """A model whose weights are in memory."""

    def free(self) -> None:
        """Release the weights."""


log = logging.getLogger(__name__)

_LOADING = threading.Lock()

Model = TypeVar("Model", bound=Loaded)
Made = TypeVar("Made")


def need_peft() -> None:
    """Check that peft, which loads LoRAs, is installed.

    Raises:
        ConfigError: peft is not installed; the error names the extra that brings it.
    """
    if importlib.util.find_spec("peft") is None:
        raise ConfigError("lora=... needs the library peft: pip install 'dataflow-mm[lora]'")


class LocalWorker(ServingABC, Generic[Model]):
    """A worker whose model runs on this machine.

    Args:
        source: where the model comes from.
        device: one or several devices, by torch's names; None for the best of this machine.
        batch_size: the most jobs in one call.

    Attributes:
        libraries: the libraries that compute the answers; a step's provenance has their versions.
        placement: the devices that the worker may run on, with one process each; complete after `settle`.
        licence: the licence of the weights, as their model card states it; empty while unknown. It is read by
            `fingerprint`, so that a step which only replays records it too, and by `settle` after a download.
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
        """The fingerprint: the model by name and commit (a folder by content), and all that changes its answers."""

    @abstractmethod
    def _load(self) -> Model:
        """Load the weights onto the first device; runs on the launch thread.

        Raises:
            RuntimeError: `settle` was not called before.
            ConfigError: the weights cannot be loaded, or do not fit.
        """

    def fingerprint(self) -> Mapping[str, JSON]:
        """The model by name and commit (a folder by its files' contents), and all settings that change its answers.

        Raises:
            ConfigError: the model is not on this machine, and the hub cannot be asked for its commit.
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
        """What one process of this worker needs: one GPU, or a CPU if the user chose it or there is no GPU.

        Args:
            gpus: how many GPUs there are.
        """
        chosen = self.placement.devices
        on_cpu = set(chosen) == {"cpu"} if chosen else not gpus
        return Resources(device="cpu") if on_cpu else Resources(gpus=1.0, device="cuda:0")

    async def setup(self) -> None:
        """Load the weights onto the first device."""
        self._launch = ThreadPoolExecutor(1, thread_name_prefix="dataflow-launch")
        self._model = await self._launched(self._load_exclusively)

    def _load_exclusively(self) -> Model:
        """Load the weights while no other worker of this process loads.

        A step may open two models at the same time, and diffusers and transformers import their modules on first use.
        A second thread would find a module half imported, or would load under the patches of the first thread.
        """
        with _LOADING:
            return self._load()

    async def close(self) -> None:
        """Release the model on the calling thread: when the interpreter ends, the launch thread has ended already."""
        if self._launch is not None:
            self._launch.shutdown(wait=False, cancel_futures=True)
        if self._model is not None:
            self._model.free()
        self._model = self._launch = None

    def _settle_devices(self) -> None:
        """Choose the devices, or check those that the user chose, and count the GPUs among them."""
        devices = check_devices(self.placement.devices)
        if not self.placement.devices and (warning := describe_unused_gpus(devices)):
            log.warning("%s", warning)
        gpus = sum(name.startswith("cuda") for name in devices)
        self.placement = replace(self.placement, devices=devices, gpus=gpus)

    async def _launched(self, work: Callable[[], Made]) -> Made:
        """Run `work` on the launch thread and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._launch, work)
