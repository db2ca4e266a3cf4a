"""Read a diffusers checkpoint on disk: the components that its model_index.json names, and whether all are there."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.models.files import VOCABULARY, check_weights, missing, need_one, read_json, read_licence

_NOT_LOADED = (".onnx", ".onnx_data", ".msgpack", ".h5", ".ckpt", ".pt", ".pth", ".gguf", ".xml", ".png", ".jpg")


@dataclass(frozen=True, slots=True)
class DiffusersLayout:
    """The files of a diffusers checkpoint: model_index.json and one folder per component.

    Args:
        given: the names of components that the user hands over, so that the checkpoint needs no files for them.
    """

    given: frozenset[str] = frozenset()
    entry: str = "model_index.json"
    hint: str = "a folder with a model_index.json, or a name on the hub such as black-forest-labs/FLUX.1-dev"

    def check(self, folder: Path) -> None:
        """Check the checkpoint in a folder as `check_parts` does."""
        check_parts(read_checkpoint(folder), given=self.given)

    def files(self, folder: Path) -> Iterator[Path]:
        """The files of the checkpoint in a folder, as `part_files` lists them."""
        return part_files(read_checkpoint(folder))

    def wants(self, name: str, names: Collection[str]) -> bool:
        """Whether a download needs the file `name`.

        Weights at the top of a repository repeat those of the component folders, and `.bin` files repeat the
        `.safetensors` beside them; neither is needed.
        """
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
    """A diffusers checkpoint on disk.

    Args:
        folder: the absolute path of the folder that has model_index.json.
        index: the contents of model_index.json.
    """

    folder: Path
    index: Mapping[str, JSON]

    @property
    def pipeline(self) -> str:
        """The name of the pipeline class that the checkpoint was saved from."""
        return str(self.index["_class_name"])

    def parts(self) -> Mapping[str, str]:
        """Component name → class name, without the components that the checkpoint leaves out."""
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
        """The licence that the model card names; empty without a card."""
        return read_licence(self.folder)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read the checkpoint in a folder.

    Raises:
        ConfigError: the folder has no model_index.json, or a damaged one.
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
    """Check that every component is there and that its weight files are whole.

    Args:
        checkpoint: as `read_checkpoint` returns it.
        given: the names of components that the user hands over, which are not checked.

    Raises:
        ConfigError: a file is missing or damaged; the error names the file and the fix.
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
    """The name of the configuration file of a component of this class; empty for classes that have no weights."""
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
