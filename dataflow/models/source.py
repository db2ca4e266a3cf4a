"""Find a model by a folder or a name on the hub, and identify it.

A folder is identified by the contents of its files, wherever it lies; a model of the hub by its name and commit.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.models.digests import digest_files
from dataflow.models.files import read_licence
from dataflow.models.hub import HubModel, commit_of
from dataflow.models.layout import Layout

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A model as the user names it.

    Args:
        model: a folder, or a name on the hub.
        layout: the files that this kind of checkpoint has.
        revision: branch, tag or commit on the hub; None for the main branch.
        cache_dir: huggingface_hub's cache; None for its default folder.
        local_dir: the folder in which each downloaded model gets a plain folder of its own; None uses the cache.
        parameter: the parameter by which the user named the model, for an error's words.
    """

    model: str
    layout: Layout
    revision: str | None = None
    cache_dir: str | Path | None = None
    local_dir: str | Path | None = None
    parameter: str = "hf_model_name_or_path"

    def identify(self) -> dict[str, JSON]:
        """The model as it stands in a fingerprint; reads no weights into memory.

        Raises:
            ConfigError: there is no such model, or the hub cannot be asked for its commit.
        """
        if (folder := self._folder()) is not None:
            return {"weights": digest_files(folder, self.layout.files(folder))}
        hub = self._hub()
        copy = hub.copy()
        return {"model": hub.name, "revision": copy[1] if copy else hub.commit()}

    def fetch(self, identity: Mapping[str, JSON]) -> Path:
        """Check the checkpoint and return its folder; download it from the hub unless a whole copy of it is here.

        Args:
            identity: what `identify` returned, perhaps on another machine; has the commit.

        Raises:
            ConfigError: there is no such model, it is damaged, or it cannot be downloaded.
        """
        folder = self._folder()
        if folder is None:
            commit = str(identity["revision"])
            folder = self._whole_copy(commit) or self._hub().download(commit)
        self.layout.check(folder)
        return folder.absolute()

    def licence(self) -> str:
        """The licence that the model card names; empty if no copy of the card is on this machine.

        Raises:
            ConfigError: there is no such model.
        """
        folder = self.local_folder()
        return read_licence(folder) if folder else ""

    def describe(self, identity: Mapping[str, JSON]) -> dict[str, JSON]:
        """The model as a person names it: its folder or its name on the hub, and its commit where that is known.

        Args:
            identity: what `identify` returned.

        Raises:
            ConfigError: there is no such folder.
        """
        if (folder := self._folder()) is None:
            return {"model": self.model, "revision": identity["revision"]}
        commit = commit_of(folder)
        return {"model": str(folder), "revision": commit} if commit else {"model": str(folder)}

    @property
    def is_folder(self) -> bool:
        """Whether the user named a folder rather than a model on the hub.

        Raises:
            ConfigError: there is no such folder.
        """
        return self._folder() is not None

    def local_folder(self) -> Path | None:
        """The model's folder, or the folder of its copy on this machine, which may be incomplete; None without a copy.

        Raises:
            ConfigError: there is no such folder.
        """
        if (folder := self._folder()) is not None:
            return folder
        copy = self._hub().copy()
        return copy[0] if copy else None

    def fetch_some(self, identity: Mapping[str, JSON], patterns: Sequence[str]) -> Path:
        """Download the files of a model on the hub whose names match one of the patterns; return their folder.

        Args:
            identity: what `identify` returned; has the commit.
            patterns: as `fnmatch` takes them; a star matches slashes too.

        Raises:
            ConfigError: the files cannot be downloaded.
        """
        return self._hub().download_some(str(identity["revision"]), patterns)

    def _folder(self) -> Path | None:
        folder = Path(self.model).expanduser().absolute()
        if folder.is_dir():
            return folder
        if self.model.startswith(("/", "./", "../", "~")) or self.model.count("/") != 1:
            raise ConfigError(f"{self.parameter}={self.model!r}: there is no folder {folder}. Give {self.layout.hint}")
        return None

    def _hub(self) -> HubModel:
        return HubModel(
            self.model, self.revision, self.cache_dir, self.local_dir, self.layout, parameter=self.parameter
        )

    def _whole_copy(self, commit: str) -> Path | None:
        copy = self._hub().copy(commit)
        if copy is None:
            return None
        try:
            self.layout.check(copy[0])
        except ConfigError as error:
            log.info("downloading again: %s", error)
            return None
        return copy[0]


def identify_lora(path: str) -> str:
    """What identifies a LoRA: the digest of its file or folder; the name of a LoRA on the hub."""
    place = Path(path).expanduser().absolute()
    if place.is_dir():
        return digest_files(place, sorted(place.rglob("*.safetensors")))
    return digest_files(place.parent, [place]) if place.is_file() else path
