"""Data sets of a hub on loopback, through the real huggingface_hub and datasets.

Both read their environment at import, so each hub's cases run in a fresh process.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet
import pytest

from dataflow.errors import ConfigError, RowError
from dataflow.ingest.pictures import pictures_of
from dataflow.ingest.records import Bytes, Record
from dataflow.ingest.sources import source_of
from dataflow.ingest.sources.hf import HubFiles, HubRows
from tests.kit.drawing import draw_png, mark_of
from tests.kit.hub import COMMIT, Hub, serving_hub

NAME = "owner/edits"
PICTURES = [draw_png(mark_of(f"picture {number}")) for number in range(8)]
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
SCRIPT = """
import hashlib, json, sys
from dataflow.errors import ConfigError, RowError
from dataflow.ingest.pictures import pictures_of
from dataflow.ingest.records import Bytes
from dataflow.ingest.sources import source_of

def shown(source, value):
    if value is None or isinstance(value, str):
        return value
    try:
        found = pictures_of(value, None)
        data = [each.data if isinstance(each, Bytes) else source.fetchers["hf"].fetch(each.url) for each in found]
    except RowError as error:
        return str(error)
    return [hashlib.sha256(each).hexdigest() for each in data]

for text, names, revision in json.loads(sys.argv[1]):
    try:
        source = source_of(text, revision=revision)
        print(json.dumps([source.shape(), source.count(), source.facts()]))
        for record in source.records(names):
            fields = {name: shown(source, value) for name, value in record.fields.items()}
            print(json.dumps([record.place, fields]))
        print("-")
    except ConfigError as error:
        print(f"{type(error).__name__} {error}")
"""


CASES: list[tuple[str, list[str], str]] = [
    (f"hf:{NAME}/pairs:train", [], ""),
    (f"hf:{NAME}/pairs:train", ["prompt"], COMMIT),
    (f"hf:{NAME}/named:train", [], "main"),
    (f"hf:{NAME}/torn:train", [], ""),
    (f"hf:{NAME}:train", [], ""),
    (f"hf:{NAME}/other:train", [], ""),
    (f"hf:{NAME}/pairs:val", [], ""),
    (f"hf:{NAME}/pairs:train", [], "v2"),
    ("hf:owner/nothing:train", [], ""),
]


def digest(number: int) -> str:
    return hashlib.sha256(PICTURES[number]).hexdigest()


def run(hub: Hub, home: Path, cases: Sequence[tuple[str, list[str], str]], **environment: str) -> list[str]:
    """What a fresh process prints."""
    off = {"HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), **off, **environment}
    command = [sys.executable, "-c", SCRIPT, json.dumps(cases)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == 0, done.stderr
    assert "it/s" not in done.stderr, "the bars of datasets stand in ours"
    return done.stdout.splitlines()


def published(folder: Path) -> Path:
    """A set of Image structs in parquet, the last of which name files beside it; and one with a torn file."""
    features = datasets.Features(
        {
            "input_images": datasets.List(datasets.Image()),
            "target": datasets.Image(),
            "prompt": datasets.Value("string"),
        }
    )
    for part in range(2):
        pictures = [{"bytes": data, "path": None} for data in PICTURES[3 * part : 3 * part + 3]]
        rows = {"input_images": [pictures[:2]], "target": [pictures[2]], "prompt": [f"说 {part}"]}
        for config in ("pairs", "torn"):
            file = folder / config / f"train-0000{part}-of-00002.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            datasets.Dataset.from_dict(rows, features=features).to_parquet(file)
    file.write_bytes(file.read_bytes()[:-100])
    (folder / "files").mkdir()
    (folder / "files" / "6.png").write_bytes(PICTURES[6])
    paths = [f"hf://datasets/{NAME}@{COMMIT}/files/6.png", "hf://datasets/owner/private@main/6.png", "/etc/hostname"]
    named = pa.table({"image": [{"bytes": None, "path": path} for path in paths]}, pa.schema({"image": IMAGE}))
    (folder / "named").mkdir()
    pyarrow.parquet.write_table(named, folder / "named" / "train.parquet")
    configs = [f"- config_name: {name}\n  data_files: {name}/*" for name in ("pairs", "torn", "named")]
    (folder / "README.md").write_text("\n".join(["---", "configs:", *configs, "---", "# Edits", ""]))
    return folder


@pytest.mark.slow
def test_a_split_is_streamed_whole_at_one_commit(tmp_path: Path) -> None:
    with serving_hub(NAME, published(tmp_path / "served")) as hub:
        lines = run(hub, tmp_path / "home", CASES)
        assert not any("/main/" in path for path in hub.asked), "all of it is of the commit"
    said: list[Any] = [json.loads(line) if line.startswith("[") else line for line in lines]
    shape, count, facts = said[0]
    assert shape == {"input_images": ["picture"], "target": "picture", "prompt": "string"}
    assert (count, facts) == (None, {"data_set": NAME, "config": "pairs", "split": "train", "revision": COMMIT})
    for part in range(2):
        inputs, target = [digest(3 * part), digest(3 * part + 1)], [digest(3 * part + 2)]
        fields = {"input_images": inputs, "target": target, "prompt": f"说 {part}"}
        assert said[1 + part] == [f"row {part + 1} of {NAME}:train", fields]
    assert [fields for _, fields in said[5:7]] == [{"prompt": "说 0"}, {"prompt": "说 1"}]
    assert [fields for _, fields in said[9:12]] == [
        {"image": [digest(6)]},
        {"image": f"is no file of hf://datasets/{NAME}@{COMMIT}/"},
        {"image": "names a file, '/etc/hostname', and this source brings none: give --root, where its files lie"},
    ]
    assert said[3] == said[7] == said[12] == "-"
    torn, no_config, other, split, revision, nothing = said[15:]
    assert torn.startswith(f"InputError {NAME}:train cannot be read behind row 1: ")
    assert no_config.startswith(f"ConfigError hf:{NAME}:train: Config name is missing.")
    assert "BuilderConfig 'other' not found. Available: ['pairs', 'torn', 'named']" in other
    assert split.endswith("Bad split: val. Available splits: ['train']")
    assert revision.endswith("has no revision 'v2': name a branch, tag or commit")
    page = "https://huggingface.co/datasets/owner/nothing"
    assert nothing == f"ConfigError there is no data set at {page}: check the name; for a private one set HF_TOKEN"


def test_rows_come_as_datasets_streams_them(tmp_path: Path) -> None:
    """What the hub would send, read from a folder: no process of its own is needed for that."""
    rows = datasets.load_dataset(str(published(tmp_path)), "pairs", split="train", streaming=True)
    source = HubRows(NAME, "pairs", "train", COMMIT, rows.decode(False))
    assert source.shape() == {"input_images": ["picture"], "target": "picture", "prompt": "string"}
    first, second = source.records(())
    assert (first.place, second.place) == (f"row 1 of {NAME}:train", f"row 2 of {NAME}:train")
    assert isinstance(second, Record)
    assert pictures_of(second.fields["input_images"], None) == [Bytes(PICTURES[3]), Bytes(PICTURES[4])]
    assert [record.fields for record in source.records(("prompt",)) if isinstance(record, Record)] == [
        {"prompt": "说 0"},
        {"prompt": "说 1"},
    ]


@pytest.mark.parametrize(
    "url",
    [
        "hf://datasets/owner/private@main/6.png",
        f"hf://datasets/{NAME}@{COMMIT}/../../private@main/6.png",
        f"hf://datasets/{NAME}@main/6.png",
        f"zip://6.png::http://10.0.0.1/x?hf://datasets/{NAME}@{COMMIT}/x.zip",
        f"file:///etc/hostname::hf://datasets/{NAME}@{COMMIT}/x.zip",
    ],
)
def test_rows_name_no_other_files_than_those_of_their_data_set(url: str) -> None:
    with pytest.raises(RowError, match=f"is no file of hf://datasets/{NAME}@{COMMIT}/"):
        HubFiles(NAME, COMMIT).fetch(url)


def test_without_the_hub_one_line_says_what_mends_it(tmp_path: Path) -> None:
    nobody = Hub(NAME, tmp_path)
    nobody.url = "http://127.0.0.1:9"
    for offline, said in (("0", "connect to the internet"), ("1", "unset HF_HUB_OFFLINE")):
        (line,) = run(nobody, tmp_path, [(f"hf:{NAME}:train", [], "")], HF_HUB_OFFLINE=offline)
        assert line.startswith(f"ConfigError cannot get {NAME} from the hub (")
        download = f"hf download {NAME} --repo-type dataset --local-dir FOLDER"
        assert line.endswith(
            f": {said}, or set HF_ENDPOINT to a mirror, or download it ({download}) and import its files"
        )


@pytest.mark.parametrize("text", ["hf:edits:train", "hf:owner/edits", "hf:owner/edits:", "hf:a/b/c"])
def test_a_source_of_another_form_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="say hf:OWNER/NAME:SPLIT, or hf:OWNER/NAME/CONFIG:SPLIT"):
        source_of(text)
