"""Streams a data set of the Hugging Face hub, `hf:owner/name[/config]:split`, without downloading it as a whole.

The revision is resolved first, so that all rows are of one commit, which the meta file of the rows keeps. Pictures are
the publisher's bytes; files that the data set names are fetched. huggingface_hub reads `HF_TOKEN`, `HF_ENDPOINT` and
proxies.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from dataflow.core.records import JSON
from dataflow.errors import ConfigError, InputError, RowError
from dataflow.ingest.fetchers import Fetcher
from dataflow.ingest.records import MAX_BYTES, Record, Records, Shape
from dataflow.ingest.sources import Given, Source
from dataflow.ingest.sources.rows import shape_of
from dataflow.models.hub import explained

_FORM = re.compile(r"hf:([^/:\s]+/[^/:\s]+)(?:/([^:]+))?:([^:]+)")


@dataclass(frozen=True, slots=True)
class HubRows(Source):
    """The rows of one split.

    Args:
        name: `owner/name`.
        config: name of the configuration; "": the data set has one alone.
        split: name of the split.
        revision: commit of the data set.
        rows: the stream of `datasets`, pictures undecoded.
        fetchers: scheme → fetcher of the data set's files.
    """

    name: str
    config: str
    split: str
    revision: str
    rows: Any
    fetchers: Mapping[str, Fetcher] = field(default_factory=dict)

    def shape(self) -> Shape:
        """The fields that the data set declares, else those of the first row."""
        features = self.rows.features
        if features is not None:
            return {name: _shape(each) for name, each in features.items()}
        first = next(iter(self.records(())), None)
        return shape_of(first.fields) if isinstance(first, Record) else {}

    def records(self, names: Collection[str]) -> Records:
        """A record for each row."""
        rows = self.rows.select_columns(sorted(names)) if names else self.rows
        done = 0
        with self._stream(lambda: done):
            for fields in rows:
                done += 1
                yield Record(f"row {done} of {self.name}:{self.split}", fields)

    def count(self) -> int | None:
        """The number of rows that the data set's card declares; None: it declares none."""
        splits = self.rows.info.splits
        return splits[self.split].num_examples if splits and self.split in splits else None

    def facts(self) -> dict[str, JSON]:
        """The data set, its configuration, split and commit."""
        return {"data_set": self.name, "config": self.config, "split": self.split, "revision": self.revision}

    @contextmanager
    def _stream(self, done: Any) -> Iterator[None]:
        try:
            with _explained(self.name, self.revision):
                yield
        except (ConfigError, ValueError) as error:  # pyarrow raises ValueError for a damaged file and for a failed cast
            raise InputError(f"{self.name}:{self.split} cannot be read behind row {done():,}: {error}") from error


class HubFiles(Fetcher):
    """Fetches files of one commit of a data set, and no others: a stranger wrote the rows, and the token is the user's.

    Args:
        name: of the data set.
        revision: commit of the data set.
    """

    def __init__(self, name: str, revision: str) -> None:
        self._files = f"hf://datasets/{name}@{revision}/"

    def fetch(self, url: str) -> bytes:
        """The bytes of a file, which may lie in a zip.

        Raises:
            RowError: the file is not of the data set, is missing, or cannot be fetched.
        """
        import fsspec

        *inner, file = url.split("::")
        if not file.startswith(self._files) or "/../" in file or any(not each.startswith("zip://") for each in inner):
            raise RowError(f"is no file of {self._files}")
        try:
            with fsspec.open(url, "rb") as opened:
                data: bytes = opened.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise RowError("there is no such file") from None
        except OSError as error:
            raise RowError(f"it was not fetched: {error!s:.200}") from error
        return data


def open_hf(given: Given) -> Source:
    """Open a split of a data set.

    Raises:
        ConfigError: SOURCE is of another form, or there is no such data set, revision, configuration or split.
    """
    form = _FORM.fullmatch(given.text)
    if form is None:
        raise ConfigError(f"{given.text}: say hf:OWNER/NAME:SPLIT, or hf:OWNER/NAME/CONFIG:SPLIT")
    name, config, split = form[1], form[2] or "", form[3]
    if find_spec("datasets") is None:
        raise ConfigError("data sets of the hub need datasets: pip install 'dataflow-mm[hub]'")
    with _explained(name, given.revision or None):
        from huggingface_hub import HfApi

        commit = str(HfApi().dataset_info(name, revision=given.revision or None).sha)
        rows = _streamed(given.text, name, config or None, split=split, commit=commit)
    files = HubFiles(name, commit)
    return HubRows(name, config, split, commit, rows.decode(False), {"hf": files, "zip": files})


def _streamed(text: str, name: str, config: str | None, *, split: str, commit: str) -> Any:
    """Open the stream of `datasets`.

    Raises:
        ConfigError: there is no such configuration or split, in the words of `datasets`.
    """
    import datasets
    from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(name, config, split=split, streaming=True, revision=commit)
    except (DataFilesNotFoundError, DatasetNotFoundError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{text}: {str(error).strip().partition(chr(10))[0]:.400}") from error
    finally:
        if shown:
            datasets.enable_progress_bars()


def _explained(name: str, revision: str | None) -> Any:
    where = f"https://huggingface.co/datasets/{name}"
    return explained(
        name,
        where=where,
        revision=revision,
        missing=f"there is no data set at {where}",
        instead=f"download it (hf download {name} --repo-type dataset --local-dir FOLDER) and import its files",
    )


def _shape(feature: Any) -> Shape:
    """The shape of a feature of `datasets`."""
    if isinstance(feature, dict):
        return {name: _shape(each) for name, each in feature.items()}
    if isinstance(feature, list):
        return [_shape(feature[0])]
    if (inner := getattr(feature, "feature", None)) is not None:
        return [_shape(inner)]
    return "picture" if type(feature).__name__ == "Image" else str(getattr(feature, "dtype", type(feature).__name__))
