"""The contract of a format, and where each is found. Whoever writes one needs to read nothing but this.

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
it, add its line to `FORMATS`.

What a format is given, and what it is not asked to do:

- **Records** (`output.records`) are those that the format takes, checked, selected and split: iterate as often as you
  like, they are read from the disk one after another, in the order of the rows. What `Takes` does not allow never
  arrives: such rows were refused before the first byte, or left out by name. So cut nothing, and leave nothing out.
- **Pictures** stand in `record.images` (inputs in order), `record.edited`, `record.mask`, `record.losers` and
  `record.turns`. `output.pictures.read(image)` gives the bytes of the file that goes out and `image.ending` its kind
  ("png", "jpg", "webp"): upright 8-bit RGB without transparency, whatever lay in the cache; a mask is a PNG of 8-bit
  grey, 0 and 255. `image.shape` is width and height. Never open `image.path`: it is what the cache has, and may be
  turned, transparent or of 16 bits.
- **The tree** (`output.tree`), if `Format.tree` is true, has these pictures as files already, once for all formats:
  `[SPLIT/]inputs_{n}[_masked]/{targets,control_1..control_n,masks}/STEM.png`, and `targets/STEM.txt` with the
  instruction on one line. `tree.files(record)` says where, relative to the export. A conversation is one record a turn
  there. A format that reads `pairs` or `tries` has a tree of its own below a folder of that name, with `losers`. One
  that puts the bytes into files of its own (parquet, tar) says `tree=False` and makes its shards in `output.folder`.
- **Places**: write into `output.folder` (it is there, and is renamed when all is done) and name files in what you write
  by `output.named(relative)`, the absolute path that a file of the export will have, or relative to `output.final`.
  What must lie elsewhere in the export, such as a `data/` at its top, goes below `output.root`.
- **Bytes**: the same records give the same bytes. So no clock, no chance, no absolute path where a relative one does.
- **What trains on it**: `write` returns the command line, with final paths; it is printed at the end.
- **The card** is written once, behind all formats, by `dataflow.export.run`. A format whose files `load_dataset` opens
  appends to `output.tables`, and the card's YAML names them.

Conversations: with `Takes(turns=True)` a record may have `turns`; else it arrives as one record for each turn.
Captions: `record.captions` has as many as `Takes.captions` and `--language` allow, the one to train on first.
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
    """What a format can hold; what it cannot is refused before the first byte, by the name of each row.

    Args:
        inputs: fewest and most input pictures of a record.
        masks: a record's mask goes along; else records with one go without it, which is said.
        turns: a conversation stays one record.
        captions: at most so many of a record; None: all. Those beyond are left out, which is said.
        one_ending: all files of a record must have one ending, so pictures of mixed kinds are baked as PNG.
    """

    inputs: tuple[int, int] = (1, 1)
    masks: bool = False
    turns: bool = False
    captions: int | None = 1
    one_ending: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What one format is given to write.

    Args:
        records: what it takes, in order.
        pictures: their bytes.
        tree: their files; there are some only if `Format.tree` is true.
        root: the whole export, while it is made.
        target: what `root` will be called; absolute.
        name: of the format: its own folder below `root`.
        languages: as asked for; empty: as the rows have them.
        tables: what `load_dataset` can open, of all formats so far; a format adds its own.
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
        """Where the format's own files go."""
        return self.root / self.name

    @property
    def final(self) -> Path:
        """What `folder` will be called; absolute."""
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


def _nothing(record: Record) -> str:
    del record
    return ""


@dataclass(frozen=True, slots=True)
class Format:
    """One trainer's form of data.

    Args:
        name: as `--to` says it, and its folder.
        write: writes it; returns the command line that trains on it.
        takes: what a record may have.
        rows: what its records are made of: the step's "rows"; its "pairs" of a better and a worse edit (`edited` and
            `losers`); or its "tries", each edit with its verdict, rejected ones too.
        tree: its files are those of the tree; else it has the bytes of its pictures in files of its own.
        refuses: further reasons why a record cannot be taken, such as "mine takes no drawings"; "" takes it.
        about: one line for the table of formats.
    """

    name: str
    write: Callable[[Output], str]
    takes: Takes = field(default_factory=Takes)
    rows: RowsOf = "rows"
    tree: bool = True
    refuses: Callable[[Record], str] = _nothing
    about: str = ""

    def refusal(self, record: Record) -> str:
        """Why it does not take a record; empty: it does."""
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
"""Name → module and value here; loaded when it is asked for."""


def format_of(name: str) -> Format:
    """A format by its name, or one of yours as `package.module:VALUE`.

    Raises:
        ConfigError: there is none; names those that there are.
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
    """The format, if it is one.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(found, Format):
        raise ConfigError(f"{found!r:.80} is no format: give a name or a dataflow.export.formats.Format")
    return found


def write_jsonl(path: Path, rows: Iterable[Mapping[str, JSON]]) -> None:
    """One JSON object a line, and no blank one; rows are taken one after another."""
    with path.open("wb", buffering=1 << 18) as file:
        file.writelines(orjson.dumps(dict(row)) + b"\n" for row in rows)


def write_json_list(path: Path, rows: Iterable[Mapping[str, JSON]]) -> None:
    """A JSON list, written as its rows come."""
    with path.open("wb", buffering=1 << 18) as file:
        for number, row in enumerate(rows):
            file.write((b",\n" if number else b"[\n") + orjson.dumps(dict(row)))
        file.write(b"\n]\n")
