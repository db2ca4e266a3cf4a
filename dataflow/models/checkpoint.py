"""A diffusers checkpoint on disk: what its model_index.json names, and whether all of it is there."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.models.files import VOCABULARY, check_weights, missing, need_one, read_json, read_licence

_NOT_LOADED = (".onnx", ".onnx_data", ".msgpack", ".h5", ".ckpt", ".pt", ".pth", ".gguf", ".xml", ".png", ".jpg")


@dataclass(frozen=True, slots=True)
class DiffusersLayout:
    """A model_index.json and a folder per component.

    Args:
        given: components that the user hands over ready-made.
    """

    given: frozenset[str] = frozenset()
    entry: str = "model_index.json"
    hint: str = "a folder with a model_index.json, or a name on the hub such as black-forest-labs/FLUX.1-dev"

    def check(self, folder: Path) -> None:
        """As `check_parts`."""
        check_parts(read_checkpoint(folder), given=self.given)

    def files(self, folder: Path) -> Iterator[Path]:
        """As `part_files`."""
        return part_files(read_checkpoint(folder))

    def wants(self, name: str, names: Collection[str]) -> bool:
        """Single-file weights at the top repeat those of the folders, and so does `.bin` beside `.safetensors`."""
        folder, _, _ = name.rpartition("/")
        if not folder:
            return name.endswith(".json") or name.startswith(("README", "LICENSE"))
        if name.endswith(_NOT_LOADED):
            return False
        if name.endswith((".bin", ".bin.index.json")):
            return not any(path.startswith(f"{folder}/") and path.endswith(".safetensors") for path in names)
        return True


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
                return read_json(path)
        return {}

    def licence(self) -> str:
        """What the model card's header calls the licence; empty without a card."""
        return read_licence(self.folder)


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
    index = read_json(path)
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
            raise missing(folder, f"the {name} ({kind}) of this checkpoint")
        _check_part(folder, kind)


def part_files(checkpoint: Checkpoint) -> Iterator[Path]:
    """Every file that `from_pretrained` may read, in a fixed order."""
    yield checkpoint.folder / "model_index.json"
    for name in sorted(checkpoint.parts()):
        for path in sorted((checkpoint.folder / name).rglob("*")):
            if path.is_file() and not path.name.startswith(".") and path.suffix != ".md":
                yield path


def settings_file(kind: str) -> str:
    """The file that says what a component of this class is, beside its weights; empty for those without weights."""
    if kind.endswith("Scheduler"):
        return "scheduler_config.json"
    return "" if "Tokenizer" in kind or kind.endswith(("Processor", "FeatureExtractor")) else "config.json"


def _check_part(folder: Path, kind: str) -> None:
    if kind.endswith("Scheduler"):
        need_one(folder, (settings_file(kind),), "its settings")
    elif "Tokenizer" in kind:
        need_one(folder, ("tokenizer_config.json",), "its settings")
        need_one(folder, VOCABULARY, "its vocabulary")
    elif kind.endswith(("Processor", "FeatureExtractor")):
        need_one(folder, ("preprocessor_config.json", "processor_config.json"), "its settings")
        if not kind.endswith(("ImageProcessor", "FeatureExtractor")):
            need_one(folder, VOCABULARY, "the vocabulary of its tokenizer")
    else:
        need_one(folder, (settings_file(kind),), "its settings")
        read_json(folder / settings_file(kind))
        check_weights(folder)
