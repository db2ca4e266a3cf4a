"""The folder of a static embedding model, as model2vec writes and reads it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dataflow.errors import ConfigError
from dataflow.models.files import missing, read_json
from dataflow.models.header import read_header

_FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class StaticLayout:
    """The three files that `StaticModel.save_pretrained` writes."""

    entry: str = "config.json"
    hint: str = "the folder of a model2vec model, or a name on the hub such as minishlab/potion-base-8M"

    def check(self, folder: Path) -> None:
        """Check that the three files are there and whole, and that the weights hold word vectors.

        Raises:
            ConfigError: a file is missing or damaged, or has no tensor `embeddings`; the error names the fix.
        """
        for name in _FILES:
            if not (folder / name).is_file():
                raise missing(folder / name, "a part of every static embedding model")
        read_json(folder / self.entry)
        if "embeddings" not in read_header(folder / "model.safetensors"):
            raise ConfigError(f"{folder} is no static embedding model (no tensor `embeddings`): give {self.hint}")

    def files(self, folder: Path) -> Iterator[Path]:
        """Every file that loading may read, in a fixed order."""
        return (folder / name for name in _FILES if (folder / name).is_file())

    def wants(self, name: str, names: Collection[str]) -> bool:
        """Whether `name` is one of the three files, the model card or the licence."""
        del names
        return name in _FILES or name.startswith(("README", "LICENSE"))
