"""Where a local model comes from: a folder here, or a name on the hub; and what identifies it.

A folder is what its files are, wherever it lies; a model of the hub is its name and commit.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.serving.local_checkpoint import check_parts, part_files, read_checkpoint
from dataflow.serving.local_digests import digest_files
from dataflow.serving.local_hub import HubModel
from dataflow.serving.local_settings import LocalSettings

log = logging.getLogger(__name__)


def identify(settings: LocalSettings) -> dict[str, JSON]:
    """The model and its LoRAs, as they stand in a fingerprint; reads no weights into memory.

    Raises:
        ConfigError: there is no such model, or the hub cannot be asked for its commit.
    """
    lora: list[JSON] = [[_lora_identity(path), scale] for path, scale in settings.lora]
    found: dict[str, JSON] = {"lora": lora} if lora else {}
    if (folder := _folder(settings.model)) is not None:
        return {"weights": digest_files(folder, part_files(read_checkpoint(folder))), **found}
    hub = _hub(settings)
    copy = hub.copy()
    return {"model": hub.name, "revision": copy[1] if copy else hub.commit(), **found}


def fetch(settings: LocalSettings, identity: Mapping[str, JSON]) -> Path:
    """The checkpoint's folder; a model of the hub is downloaded unless a whole copy is here.

    Args:
        settings: of the serving.
        identity: what `identify` said of it; names the commit to download.

    Raises:
        ConfigError: there is no such model, or it cannot be downloaded.
    """
    if (folder := _folder(settings.model)) is not None:
        return folder
    hub = _hub(settings)
    copy = hub.copy()
    if copy is not None and _is_whole(copy[0], settings):
        return copy[0]
    return hub.download(copy[1] if copy else str(identity["revision"]))


def _folder(name: str) -> Path | None:
    folder = Path(name).expanduser().absolute()
    if folder.is_dir():
        return folder
    if name.startswith(("/", "./", "../", "~")) or name.count("/") != 1:
        raise ConfigError(
            f"hf_model_name_or_path={name!r}: there is no folder {folder}. Give a folder with a model_index.json, or"
            f" a name on the hub such as black-forest-labs/FLUX.1-dev"
        )
    return None


def _hub(settings: LocalSettings) -> HubModel:
    return HubModel(settings.model, settings.revision, settings.cache_dir, settings.local_dir)


def _is_whole(folder: Path, settings: LocalSettings) -> bool:
    try:
        check_parts(read_checkpoint(folder), given=settings.pipe_kwargs.keys())
    except ConfigError as error:
        log.info("downloading again: %s", error)
        return False
    return True


def _lora_identity(path: str) -> str:
    """A LoRA by content; one on the hub by its name."""
    place = Path(path).expanduser().absolute()
    if place.is_dir():
        return digest_files(place, sorted(place.rglob("*.safetensors")))
    return digest_files(place.parent, [place]) if place.is_file() else path
