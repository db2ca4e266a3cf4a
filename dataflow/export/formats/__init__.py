"""The contract of an export format, and the table of those that there are. Who writes a format needs only this page.

A format is one value of `Format` at the end of a file of its own, here or in a package of yours:

    def write(output: Output) -> str:
        for part in output.records.parts():                 # split, number of inputs, with masks or without
            lines = (
                {"image_path": output.named(files.edited), "control_path": output.named(files.images[0]),
                 "caption": record.line}
                for record in output.records.of(part)
                for files in [output.tree.files(record)]
            )
            write_jsonl(output.folder / f"{part.split}.jsonl", lines)
        return f"python train.py --data {output.word()}"

    FORMAT = Format("my-trainer", write, Takes(inputs=(1, 1)))

`dataflowmm export CACHE --to my_package.my_format:FORMAT` writes it, and so does `export(..., to=[FORMAT])`. To ship
a format with this package, add its line to `FORMATS`.

What a format is given, and what it must do:

- **Records** (`output.records`) are those that the format takes, checked, selected and split. Iterate over them as
  often as you like: they are read from the disk one after another, in the order of the rows. A record that `Takes` does
  not allow never arrives, since its row was refused or left out before the first byte. So cut and leave out nothing.
- **Pictures** stand in `record.images` (inputs in order), `record.edited`, `record.mask`, `record.losers` and
  `record.turns`. `output.pictures.read(image)` gives the bytes of the file that goes out and `image.ending` its kind
  ("png", "jpg", "webp"): upright 8-bit RGB without transparency, whatever lay in the cache; a mask is a PNG of 8-bit
  grey, 0 and 255. `image.shape` is width and height in pixels. Never open `image.path`: that file is the cache's own,
  and may be turned, transparent or of 16 bits.
- **The tree** (`output.tree`), if `Format.tree` is true, has these pictures as files already, once for all formats:
  `[SPLIT/]inputs_{n}[_masked]/{targets,control_1..control_n,masks}/STEM.png`, and `targets/STEM.txt` with the
  instruction on one line. `tree.files(record)` gives the paths, relative to the export. In the tree, each turn of a
  conversation is a record. A format that reads `pairs` or `tries` has a tree of its own below a folder of that name,
  with `losers`. A format that puts pictures into files of its own (parquet, tar) sets `tree=False` and writes its
  shards into `output.folder`.
- **Places**: write into `output.folder`, which exists and is renamed at the end. In what you write, name a file of the
  export by `output.named(relative)`, the absolute path that it will have, or relative to `output.final`. A file that
  must lie elsewhere in the export, such as a `data/` at its top, goes below `output.root`.
- **Bytes**: the same records give the same bytes. So use no clock and no chance, and no absolute path where a relative
  one does.
- **What trains on it**: `write` returns the command line that trains on the format, with final paths; `export` prints
  it at the end. `write` may raise ConfigError if the user must change something, such as the export's path.
- **The card** is written by `dataflow.export.run` after all formats. A format whose files `load_dataset` opens appends
  its table to `output.tables`, and the card's YAML names the table.

Conversations: with `Takes(turns=True)` a record may have `turns`; otherwise each turn arrives as a record.
Captions: `record.captions` has as many as `Takes.captions` and `--language` allow; the first is the one to train on.
"""

import importlib
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from dataflow.core.records import JSON
from dataflow.core.words import count_of
from dataflow.errors import ConfigError
from dataflow.export.parquet import Table
from dataflow.export.pictures import Pictures
from dataflow.export.records import Record, RowsOf
from dataflow.export.spool import Records
from dataflow.export.tree import Tree


@dataclass(frozen=True, slots=True)
class Takes:
    """Which records a format can hold; other records are refused before the first byte, and the refusal names each row.

    Args:
        inputs: fewest and most input pictures of a record.
        masks: the format writes masks; false: a record's mask is left out, and a note says so.
        turns: the format writes conversations; false: each turn is a record.
        captions: most captions of a record; None: all. Further captions are left out, and a note says so.
        one_ending: all files of a record need one ending, so a record of mixed kinds is baked as PNG.
    """

    inputs: tuple[int, int] = (1, 1)
    masks: bool = False
    turns: bool = False
    captions: int | None = 1
    one_ending: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What a format's `write` is given.

    Args:
        records: the records that the format takes, in order.
        pictures: gives the bytes of their pictures.
        tree: gives the paths of their files, which exist only if `Format.tree` is true.
        root: path of the whole export while it is made.
        target: absolute path of the finished export.
        name: of the format, and of its folder below `root`.
        languages: languages that the user asked for, the preferred one first; empty: all that rows have.
        tables: tables that `load_dataset` can open, of all formats so far; the format appends its own.
    """

    records: Records
    pictures: Pictures
    tree: Tree
    root: Path
    target: Path
    name: str
    languages: tuple[str, ...] = ()
    tables: list[Table] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The folder for the format's own files, while the export is made."""
        return self.root / self.name

    @property
    def final(self) -> Path:
        """The absolute path that `folder` will have."""
        return self.target / self.name

    def word(self, name: str = "") -> str:
        """The path that a file of `folder`, or the folder itself, will have, as one word of a command line."""
        return shlex.quote(str(self.final / name))

    def named(self, relative: str) -> str:
        """The absolute path that a file of the export will have.

        Args:
            relative: to the export, as `Tree.files` gives it.
        """
        return f"{self.target}/{relative}"


def _refuses_nothing(record: Record) -> str:
    del record
    return ""


@dataclass(frozen=True, slots=True)
class Format:
    """The form in which a trainer reads data.

    Args:
        name: in `--to`, and of the format's folder.
        write: writes the format; returns the command line that trains on it.
        takes: which records the format can hold.
        rows: the rows that its records are made of: the step's "rows"; its "pairs" of a better and a worse edit
            (`edited` and `losers`); or its "tries": each edit with its verdict, including rejected edits.
        tree: the trainer reads pictures from the tree; false: the format writes them into files of its own.
        refuses: gives a further reason to refuse a record, such as "mine takes no drawings"; "" takes the record.
        about: one line for the table of formats.
    """

    name: str
    write: Callable[[Output], str]
    takes: Takes = field(default_factory=Takes)
    rows: RowsOf = "rows"
    tree: bool = True
    refuses: Callable[[Record], str] = _refuses_nothing
    about: str = ""

    def refusal(self, record: Record) -> str:
        """Why the format does not take a record; empty: the format takes it."""
        least, most = self.takes.inputs
        given = len(record.images)
        if not least <= given <= most:
            wanted = count_of(most, "input picture") if least == most else f"{least} to {most} input pictures"
            return f"{self.name} takes {wanted}, and this has {'more' if given > most else 'fewer'}"
        return self.refuses(record)


FORMATS: Mapping[str, tuple[str, str]] = {
    "ai-toolkit": ("ai_toolkit", "AI_TOOLKIT"),
    "bagel": ("bagel", "BAGEL"),
    "diffsynth": ("diffsynth", "DIFFSYNTH"),
    "diffusers": ("diffusers", "DIFFUSERS"),
    "diffusion-pipe": ("diffusion_pipe", "DIFFUSION_PIPE"),
    "editreward": ("editreward", "EDITREWARD"),
    "hf": ("hf", "HF"),
    "llama-factory": ("llama_factory", "LLAMA_FACTORY"),
    "ms-swift": ("ms_swift", "MS_SWIFT"),
    "musubi": ("musubi", "MUSUBI"),
    "omnigen2": ("omnigen2", "OMNIGEN2"),
    "simpletuner": ("simpletuner", "SIMPLETUNER"),
    "simpletuner-dpo": ("simpletuner_dpo", "SIMPLETUNER_DPO"),
    "step1x": ("step1x", "STEP1X"),
    "uniworld": ("uniworld", "UNIWORLD"),
    "uniworld-rl": ("uniworld_rl", "UNIWORLD_RL"),
    "webdataset": ("webdataset", "WEBDATASET"),
}
"""Name → module in this package, and name of the value in it; a module is loaded when its format is used."""


def format_of(name: str) -> Format:
    """Find a format by its name, or a format of the user's own by `package.module:VALUE`.

    Raises:
        ConfigError: there is no such format, the module cannot be imported, or the value is no Format.
    """
    module, _, value = name.partition(":")
    if value:
        try:
            found = getattr(importlib.import_module(module), value)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"format {name!r}: {error}; say package.module:VALUE of a module that imports") from None
        return checked_format(found)
    if name not in FORMATS:
        raise ConfigError(f"no format {name!r}: choose of {', '.join(sorted(FORMATS))}, or say package.module:VALUE")
    module, value = FORMATS[name]
    return checked_format(getattr(importlib.import_module(f"{__name__}.{module}"), value))


def checked_format(found: object) -> Format:
    """The value itself, once it is known to be a Format.

    Raises:
        ConfigError: the value is no Format.
    """
    if not isinstance(found, Format):
        raise ConfigError(f"{found!r:.80} is no format: give a name or a dataflow.export.formats.Format")
    return found


def write_jsonl(path: Path, rows: Iterable[Mapping[str, JSON]]) -> None:
    """Write one JSON object a line; rows are taken one after another."""
    with path.open("wb", buffering=1 << 18) as file:
        file.writelines(orjson.dumps(dict(row)) + b"\n" for row in rows)


def write_json_list(path: Path, rows: Iterable[Mapping[str, JSON]]) -> None:
    """Write one JSON list; rows are taken one after another."""
    with path.open("wb", buffering=1 << 18) as file:
        for number, row in enumerate(rows):
            file.write((b",\n" if number else b"[\n") + orjson.dumps(dict(row)))
        file.write(b"\n]\n")
