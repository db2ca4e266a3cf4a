"""Read the configuration files of a diffusers checkpoint, also before its weights are on this machine.

A request's id depends on them, and must not depend on whether the weights have been downloaded yet.
"""

from collections.abc import Mapping
from pathlib import Path

from dataflow.core.records import JSON
from dataflow.models.checkpoint import Checkpoint, read_checkpoint, settings_file
from dataflow.models.source import Source

_PATTERNS = ("model_index.json", "*/config.json", "*/scheduler_config.json")


def read_settings(source: Source, identity: Mapping[str, JSON]) -> Checkpoint:
    """Return a checkpoint whose configuration files are on this machine, downloading them if need be.

    Args:
        source: of a diffusers checkpoint.
        identity: what `source.identify` returned; has the commit to download.

    Raises:
        ConfigError: there is no such model, or its configuration can be found neither here nor on the hub.
    """
    folder = source.local_folder()
    if folder is None or not (source.is_folder or _has_settings(folder)):
        folder = source.fetch_some(identity, _PATTERNS)
    return read_checkpoint(folder)


def _has_settings(folder: Path) -> bool:
    if not (folder / "model_index.json").is_file():
        return False
    needed = {name: settings_file(kind) for name, kind in read_checkpoint(folder).parts().items()}
    return all((folder / name / file).is_file() for name, file in needed.items() if file)
