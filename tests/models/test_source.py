"""What is known of a model before anything is loaded or fetched."""

from pathlib import Path

import pytest

from dataflow.core.records import JSON
from dataflow.errors import ConfigError
from dataflow.models.checkpoint import DiffusersLayout
from dataflow.models.source import Source

CARD = "---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n"


def test_a_folder_tells_the_commit_that_it_was_downloaded_at(tmp_path: Path) -> None:
    def described(folder: Path) -> dict[str, JSON]:
        folder.mkdir(parents=True, exist_ok=True)
        return Source(str(folder), DiffusersLayout()).describe({})

    own = tmp_path / "own"
    assert described(own) == {"model": str(own)}
    notes = own / ".cache/huggingface/download"
    notes.mkdir(parents=True)
    (notes / "model_index.json.metadata").write_text("c0ffee\netag\n1.0\n")
    assert described(own) == {"model": str(own), "revision": "c0ffee"}
    snapshot = tmp_path / "models--owner--model/snapshots/beef"
    assert described(snapshot) == {"model": str(snapshot), "revision": "beef"}
    (own / ".dataflow-revision").write_text("cafe")
    assert described(own)["revision"] == "cafe"
    hub = Source("owner/model", DiffusersLayout())
    assert hub.describe({"model": "owner/model", "revision": "f00d"}) == {"model": "owner/model", "revision": "f00d"}


def test_the_licence_is_read_from_the_copy_that_is_here_without_asking_the_hub(tmp_path: Path) -> None:
    copied = Source("owner/model", DiffusersLayout(), local_dir=str(tmp_path))
    assert copied.licence() == ""
    folder = tmp_path / "owner" / "model"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    assert copied.licence() == "", "not yet whole"
    (folder / ".dataflow-revision").write_text("c0ffee")
    assert copied.licence() == "flux-1-dev-non-commercial-license"
    assert Source(str(folder), DiffusersLayout()).licence() == "flux-1-dev-non-commercial-license"
    with pytest.raises(ConfigError, match="there is no folder"):
        Source("./nowhere", DiffusersLayout()).licence()
