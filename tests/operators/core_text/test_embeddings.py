"""Vectors of texts by a static embedding model, and models that cannot be used."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from dataflow.errors import ConfigError
from dataflow.operators.core_text import EditPromptGenerator
from dataflow.operators.core_text.embeddings import LENGTH, Embedder, load_embedder
from dataflow.serving.template_writer import TemplateWriter
from dataflow.utils.storage import FileStorage
from tests.kit.hub import COMMIT, serving_hub
from tests.kit.tiny_static import static_model

ENGLISH = {"en": ["Remove the red chair from the picture."]}
SAID = "Turn the red circle green."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return static_model(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="module")
def embedder(model: Path) -> Embedder:
    return load_embedder(str(model), ENGLISH)


def test_a_vector_has_whole_numbers_and_one_length_and_an_unknown_text_has_none(embedder: Embedder) -> None:
    vector = embedder.vector(SAID).astype(np.int64)
    assert float(np.sqrt(vector @ vector)) == pytest.approx(LENGTH, rel=1e-3)
    assert not embedder.vector("qwertz").any()
    assert embedder.unknown(["qwertz"]) == 1
    assert embedder.unknown([SAID]) < 0.25
    assert embedder.unknown([]) == 0


def run(folder: Path, **settings: Any) -> None:
    EditPromptGenerator(TemplateWriter(), n=4, **settings).run(FileStorage(cache_path=folder).step())


def test_a_missing_library_is_told_with_its_command(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(ConfigError, match=r"pip install 'dataflow-mm\[embeddings\]'"):
        run(tmp_path / "c", embedding_model=str(model))
    assert not (tmp_path / "c").exists()
    run(tmp_path / "c")  # nothing else needs it


def test_a_model_that_does_not_know_a_language_is_refused(tmp_path: Path) -> None:
    english = str(static_model(tmp_path / "english", chinese=False))
    with pytest.raises(ConfigError, match=r"of the words of instructions in 'zh'.*potion-multilingual"):
        run(tmp_path, embedding_model=english)
    run(tmp_path, embedding_model=english, languages=["en"])


def test_what_is_no_static_model_is_told(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"embedding_model='\./nowhere': there is no folder .*model2vec"):
        run(tmp_path, embedding_model="./nowhere")
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("config.json", "model.safetensors"):
        (broken / name).write_bytes((model / name).read_bytes())
    with pytest.raises(ConfigError, match=r"tokenizer\.json is missing"):
        run(tmp_path, embedding_model=str(broken))
    (broken / "tokenizer.json").write_bytes((model / "tokenizer.json").read_bytes())
    whole = (model / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(whole.replace(b'"embeddings"', b'"others____"'))
    with pytest.raises(ConfigError, match="no tensor `embeddings`"):
        run(tmp_path, embedding_model=str(broken))
    (broken / "model.safetensors").write_bytes(whole[:-7])
    with pytest.raises(ConfigError, match="cut short"):
        run(tmp_path, embedding_model=str(broken))
    (broken / "model.safetensors").write_bytes(whole)
    other = orjson.loads((model / "tokenizer.json").read_bytes())
    other["model"]["vocab"]["one_more"] = len(other["model"]["vocab"])
    (broken / "tokenizer.json").write_bytes(orjson.dumps(other))
    with pytest.raises(ConfigError, match="is damaged: Number of tokens"):
        run(tmp_path, embedding_model=str(broken))


SCRIPT = """
import sys
from dataflow.operators.core_text.embeddings import load_embedder
print(load_embedder(sys.argv[1], {"en": ["Remove the red chair."]}).identity)
"""


def test_a_model_of_the_hub_is_fetched_once_at_its_revision(model: Path, tmp_path: Path) -> None:
    (model / "pytorch_model.bin").write_bytes(b"the same once more")
    with serving_hub("owner/tiny", model) as hub:
        env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
        command = [sys.executable, "-c", SCRIPT, f"owner/tiny@{COMMIT}"]
        for _ in range(2):
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
            assert done.stdout == f"{{'model': 'owner/tiny', 'revision': '{COMMIT}'}}\n", done.stderr
        fetched = Counter(path.rpartition("/")[2] for path in hub.asked if "/resolve/" in path)
    assert (
        {"config.json", "model.safetensors", "tokenizer.json"}
        <= set(fetched)
        <= {
            *("config.json", "model.safetensors", "tokenizer.json", "README.md"),
        }
    )
