"""Find a model on the Hugging Face hub by its name: the commit, the copy on this machine, the download.

The commit is resolved before the download and kept beside the files, so later runs neither ask the hub nor notice that
`main` has moved. `HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and proxies are read by huggingface_hub.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import DiffusersLayout
from dataflow.models.layout import Layout
from dataflow.utils.files import write_atomic
from dataflow.utils.network import check_connection_settings

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

log = logging.getLogger(__name__)

_PARAMETER = "hf_model_name_or_path"
_MARK = ".dataflow-revision"  # has the commit; it is written last, so a folder that has this file is complete


def commit_of(folder: Path) -> str:
    """The commit of a folder that was downloaded from the hub; empty if the folder does not show it.

    Source: huggingface_hub keeps a commit in its cache as `snapshots/<commit>`; in a `local_dir` it notes the commit of
    each file in the first line of `.cache/huggingface/download/<file>.metadata`.
    """
    if (mark := folder / _MARK).is_file():
        return mark.read_text(encoding="utf-8").strip()
    if (real := folder.resolve()).parent.name == "snapshots":
        return real.name
    notes = sorted((folder / ".cache/huggingface/download").glob("*.metadata"))
    return notes[0].read_text(encoding="utf-8").partition("\n")[0].strip() if notes else ""


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model on the hub, and where its copy belongs.

    Args:
        name: `owner/model`.
        revision: branch, tag or commit; None for the main branch.
        cache_dir: huggingface_hub's cache; None for its default folder.
        local_dir: the folder in which each downloaded model gets a plain folder of its own; None uses the cache.
        layout: the files that this kind of checkpoint needs.
        parameter: the parameter by which the user named the model, for an error's words.
    """

    name: str
    revision: str | None = None
    cache_dir: str | Path | None = None
    local_dir: str | Path | None = None
    layout: Layout = field(default_factory=DiffusersLayout)
    parameter: str = _PARAMETER

    @property
    def folder(self) -> Path | None:
        """The model's plain folder below `local_dir`; None where its files go to huggingface_hub's cache."""
        if self.local_dir is None:
            return None
        version = f"@{self.revision.replace('/', '--')}" if self.revision else ""
        return Path(self.local_dir).expanduser().absolute() / f"{self.name}{version}"

    def copy(self, commit: str | None = None) -> tuple[Path, str] | None:
        """The folder and commit of the copy on this machine, without asking the hub; None if there is no copy.

        Args:
            commit: the commit that the copy must have; None accepts the one that the revision had at the download.
        """
        if (folder := self.folder) is not None:
            mark = folder / _MARK
            kept = mark.read_text(encoding="utf-8").strip() if mark.is_file() else ""
            return (folder, kept) if kept and commit in (None, kept) else None
        from huggingface_hub import try_to_load_from_cache

        revision = commit or self.revision
        found = try_to_load_from_cache(self.name, self.layout.entry, cache_dir=self.cache_dir, revision=revision)
        return (Path(found).parent, Path(found).parent.name) if isinstance(found, str) else None

    def commit(self) -> str:
        """Ask the hub for the commit that the revision has now.

        Raises:
            ConfigError: the hub cannot be reached, has no such model, or does not show it to us.
        """
        with self._explained():
            from huggingface_hub import HfApi

            return str(HfApi().model_info(self.name, revision=self.revision).sha)

    def download(self, commit: str) -> Path:
        """Download the files that loading needs, at this commit, and return their folder; resume a broken download.

        Raises:
            ConfigError: no access, no connection, or not enough space on the disk.
        """
        with self._explained():
            from huggingface_hub import HfApi, snapshot_download

            hub = HfApi()
            info = hub.model_info(self.name, revision=self.revision, files_metadata=True)
            has_moved = info.sha != commit  # the branch has a newer commit than when the identity was made
            if has_moved:
                info = hub.model_info(self.name, revision=commit, files_metadata=True)
            siblings = info.siblings or []
            names = [file.rfilename for file in siblings]
            wanted = [file for file in siblings if self.layout.wants(file.rfilename, names)]
            self._check_room(wanted)
            folder = snapshot_download(
                self.name,
                # huggingface_hub notes in its cache which commit a branch had, but only if it is asked for the branch;
                # `copy` needs that note.
                revision=commit if self.folder or has_moved else self.revision,
                cache_dir=self.cache_dir,
                local_dir=self.folder,
                allow_patterns=[file.rfilename for file in wanted],
            )
        if self.folder is not None:
            write_atomic(self.folder / _MARK, commit.encode())
        elif Path(folder).name != commit:
            raise ConfigError(f"{self.name} changed on the hub while it was fetched: run again, or name a revision")
        return Path(folder)

    def download_some(self, commit: str, patterns: Sequence[str]) -> Path:
        """Download the files whose names match a pattern, at this commit, and return their folder.

        Files that are on this machine already are not downloaded again.

        Raises:
            ConfigError: no access, or no connection.
        """
        with self._explained():
            from huggingface_hub import snapshot_download

            return Path(
                snapshot_download(
                    self.name,
                    revision=commit,
                    cache_dir=self.cache_dir,
                    local_dir=self.folder,
                    allow_patterns=list(patterns),
                )
            )

    def _check_room(self, wanted: "Sequence[RepoSibling]") -> None:
        """Check that the disk has enough free space for these files."""
        from huggingface_hub import constants

        need = sum(file.size or 0 for file in wanted)
        place = self.folder or Path(self.cache_dir or constants.HF_HUB_CACHE).expanduser().absolute()
        disk = next(path for path in (place, *place.parents) if path.exists())
        free = shutil.disk_usage(disk).free
        log.info("downloading %s: %.1f GB to %s, where %.1f GB are free", self.name, need / 1e9, place, free / 1e9)
        if need > free:
            raise ConfigError(
                f"{self.name} needs {need / 1e9:.1f} GB and {place} has {free / 1e9:.1f} GB free: make room, or set"
                f" HF_HOME, hf_local_dir or hf_cache_dir to a larger disk"
            )

    def _explained(self) -> AbstractContextManager[None]:
        where = f"https://huggingface.co/{self.name}"
        flags = " (of a pipeline: --model, of its judge: --judge_model)" if self.parameter == _PARAMETER else ""
        return explained(
            self.name,
            where=where,
            revision=self.revision,
            missing=f"{self.parameter}={self.name!r} is neither a folder here nor a model at {where}",
            instead=f"give a folder that has the model as {self.parameter}{flags}",
        )


@contextmanager
def explained(name: str, *, where: str, revision: str | None, missing: str, instead: str) -> Iterator[None]:
    """Turn what huggingface_hub raises inside the `with` into a ConfigError that says what the user can do.

    Args:
        name: `owner/name` of the model or data set.
        where: the address of its page.
        revision: the revision that is asked for; None for the main branch.
        missing: the error's words where the hub has no such model or data set.
        instead: what the user can do where the hub cannot be reached, such as "give a folder".

    Raises:
        ConfigError: no access, no connection, no such model or data set, or a wrong setting in the environment.
    """
    _check_settings()
    from huggingface_hub import errors

    # huggingface_hub re-exports the base exception of its HTTP library, which differs between its versions.
    unreachable = getattr(errors, "HTTPError", OSError)
    try:
        yield
    except errors.GatedRepoError as error:
        raise ConfigError(
            f"{name} is gated: accept its licence at {where}, then set HF_TOKEN to a token of that account"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ConfigError(f"{missing}: check the name; for a private one set HF_TOKEN") from error
    except errors.RevisionNotFoundError as error:
        raise ConfigError(f"{where} has no revision {revision!r}: name a branch, tag or commit") from error
    except (OSError, unreachable) as error:  # offline mode, no connection, a server's error
        raise ConfigError(
            f"cannot get {name} from the hub ({type(error).__name__}): {_how_to_connect()}, or set HF_ENDPOINT to a"
            f" mirror, or {instead}"
        ) from error


def _how_to_connect() -> str:
    from huggingface_hub import constants

    return "unset HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "connect to the internet"


def _check_settings() -> None:
    """Check the environment's settings before huggingface_hub is imported, because it reads them at its import.

    Raises:
        ConfigError: HF_ENDPOINT is no address, or as `check_connection_settings`.
    """
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if not host:
        raise ConfigError("HF_ENDPOINT is no address: give that of a mirror, such as https://<host>, or unset it")
    check_connection_settings(host)
