"""A diffusers checkpoint on disk: what its model_index.json names, and whether all of it is there.

Everything here reads JSON files, directory entries and the headers of weight files, never weights, so a
damaged download shows in a second and before anything else is spent.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from dataflow.core.records import JSON
from dataflow.errors import ConfigError

_WEIGHTS = (".safetensors", ".bin")
_VOCABULARY = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model", "tekken.json")
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder with a model_index.json.

    Args:
        folder: absolute path.
        index: what model_index.json holds.
    """

    folder: Path
    index: Mapping[str, JSON]

    @property
    def pipeline(self) -> str:
        """The pipeline class it was saved from."""
        return str(self.index["_class_name"])

    def parts(self) -> Mapping[str, str]:
        """Component name → class name, without those the checkpoint leaves out."""
        found = {}
        for name, entry in self.index.items():
            if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str):
                found[name] = entry[1]
        return found

    def config(self, part: str) -> Mapping[str, JSON]:
        """A component's configuration; empty where it has none."""
        for name in ("config.json", "scheduler_config.json"):
            if (path := self.folder / part / name).is_file():
                return _read_json(path)
        return {}

    def licence(self) -> str:
        """What the model card's header calls the licence; empty without a card."""
        card = self.folder / "README.md"
        if not card.is_file():
            return ""
        lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:80]
        fields = dict(line.split(":", 1) for line in lines if line.startswith(("license:", "license_name:")))
        return (fields.get("license_name") or fields.get("license", "")).strip()


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in this folder.

    Raises:
        ConfigError: there is none, or its model_index.json is damaged.
    """
    path = folder / "model_index.json"
    if not path.is_file():
        raise ConfigError(
            f"{folder} has no model_index.json: give the folder of a diffusers checkpoint, the one that holds"
            f" model_index.json and folders such as transformer and vae, or a name on the hub such as"
            f" black-forest-labs/FLUX.1-dev"
        )
    index = _read_json(path)
    if not isinstance(index.get("_class_name"), str):
        raise ConfigError(f"{path} names no pipeline (`_class_name`): download the checkpoint again")
    return Checkpoint(folder.absolute(), index)


def check_parts(checkpoint: Checkpoint, *, given: Collection[str] = ()) -> None:
    """Check that every component is there and its weight files are whole.

    Args:
        checkpoint: as `read_checkpoint` gave it.
        given: components that the user hands over ready-made.

    Raises:
        ConfigError: names the file and the fix.
    """
    for name, kind in checkpoint.parts().items():
        if name in given:
            continue
        folder = checkpoint.folder / name
        if not folder.is_dir():
            raise _missing(folder, f"the {name} ({kind}) of this checkpoint")
        _check_part(folder, kind)


def part_files(checkpoint: Checkpoint) -> Iterator[Path]:
    """Every file that `from_pretrained` may read, in a fixed order."""
    yield checkpoint.folder / "model_index.json"
    for name in sorted(checkpoint.parts()):
        for path in sorted((checkpoint.folder / name).rglob("*")):
            if path.is_file() and not path.name.startswith(".") and path.suffix != ".md":
                yield path


def _check_part(folder: Path, kind: str) -> None:
    if kind.endswith("Scheduler"):
        _need(folder, ("scheduler_config.json",), "its settings")
    elif "Tokenizer" in kind:
        _need(folder, ("tokenizer_config.json",), "its settings")
        _need(folder, _VOCABULARY, "its vocabulary")
    elif kind.endswith(("Processor", "FeatureExtractor")):
        _need(folder, ("preprocessor_config.json", "processor_config.json"), "its settings")
    else:
        _need(folder, ("config.json",), "its settings")
        _read_json(folder / "config.json")
        _check_weights(folder)


def _need(folder: Path, names: Collection[str], what: str) -> None:
    if not any((folder / name).is_file() for name in names):
        raise _missing(folder / next(iter(names)), what)


def _check_weights(folder: Path) -> None:
    files = sorted(path for path in folder.iterdir() if path.suffix in _WEIGHTS)
    for index in folder.glob("*.index*.json"):
        shards = _read_json(index).get("weight_map")
        for shard in sorted({str(name) for name in shards.values()}) if isinstance(shards, dict) else ():
            if not (folder / shard).is_file():
                raise _missing(folder / shard, f"a part of the weights that {index.name} names")
    if not files:
        raise _missing(folder / "*.safetensors", "its weights")
    for path in files:
        _check_weight_file(path)


def _check_weight_file(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(len(_LFS_POINTER))
        if head == _LFS_POINTER:
            raise ConfigError(f"{path} is a Git LFS pointer, not weights: run `git lfs pull` in {path.parent.parent}")
        if path.suffix != ".safetensors":
            return
        # Source: https://github.com/huggingface/safetensors#format - 8 bytes of length, a JSON header, the data.
        length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else size
        if length + 8 > size:
            raise _cut_short(path, size)
        file.seek(8)
        try:
            header = orjson.loads(file.read(length))
            end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
            raise ConfigError(f"{path} is damaged: its header cannot be read. Download this file again") from None
    if end + length + 8 != size:
        raise _cut_short(path, size, end + length + 8)


def _cut_short(path: Path, size: int, wanted: int | None = None) -> ConfigError:
    of = "" if wanted is None else f" of {wanted:,}"
    return ConfigError(f"{path} is damaged or cut short ({size:,}{of} bytes): download this file again")


def _missing(path: Path, what: str) -> ConfigError:
    return ConfigError(f"{path} is missing: {what}. Download the checkpoint again, or copy this file back")


def _read_json(path: Path) -> dict[str, JSON]:
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path} is damaged ({error}): download this file again") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is damaged (no JSON object): download this file again")
    return content
