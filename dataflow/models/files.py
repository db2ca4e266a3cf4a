"""Check that the files of a checkpoint are there and whole, and read its licence, without loading weights.

Only JSON files, directory entries and the headers of weight files are read, so a damaged download shows within a
second, before anything is paid for.
"""

from collections.abc import Collection
from itertools import takewhile
from pathlib import Path

import orjson

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.models.header import read_header, refuse_pointer

VOCABULARY = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model", "tekken.json")
_WEIGHTS = (".safetensors", ".bin")


def need_one(folder: Path, names: Collection[str], what: str) -> None:
    """Check that a folder has at least one of these files.

    Args:
        folder: the folder.
        names: the file names.
        what: what such a file is, for the error, such as "its vocabulary".

    Raises:
        ConfigError: the folder has none of them; the error names the first.
    """
    if not any((folder / name).is_file() for name in names):
        raise missing(folder / next(iter(names)), what)


def check_weights(folder: Path) -> None:
    """Check that a folder has weight files, that all of their shards are there, and that each file is whole.

    Raises:
        ConfigError: a file is missing or damaged; the error names the file.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix in _WEIGHTS)
    for index in folder.glob("*.index*.json"):
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict):
            raise ConfigError(f"{index} is damaged (no `weight_map`): download this file again")
        for shard in sorted({str(name) for name in shards.values()}):
            if not (folder / shard).is_file():
                raise missing(folder / shard, f"a part of the weights that {index.name} names")
    if not files:
        raise missing(folder / "*.safetensors", "its weights")
    for path in files:
        if path.suffix == ".safetensors":
            read_header(path)
        else:
            refuse_pointer(path)


def read_licence(folder: Path) -> str:
    """The licence that the header of a model card (README.md) names; empty without a card or a header."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    fence, *lines = card.read_text(encoding="utf-8-sig", errors="replace").splitlines() or [""]
    if fence.strip() != "---":
        return ""
    header = takewhile(lambda line: line.strip() != "---", lines)
    fields = dict(line.split(":", 1) for line in header if line.startswith(("license:", "license_name:")))
    return (fields.get("license_name") or fields.get("license", "")).strip().strip("'\"")


def read_json(path: Path) -> dict[str, JSON]:
    """The object in a JSON file.

    Raises:
        ConfigError: the file is damaged.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path} is damaged ({error}): download this file again") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is damaged (no JSON object): download this file again")
    return content


def missing(path: Path, what: str) -> ConfigError:
    """The error for a file that a checkpoint lacks.

    Args:
        path: where the file should be.
        what: what the file is, such as "its vocabulary".
    """
    return ConfigError(f"{path} is missing: {what}. Download the checkpoint again, or copy this file back")
