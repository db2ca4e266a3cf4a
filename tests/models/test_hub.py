"""A model by name: from a hub on loopback, through the real huggingface_hub in a process of its own.

huggingface_hub reads its environment at import, so each run is a fresh process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.models.hub import HubModel
from tests.kit.hub import COMMIT, Hub, serving_hub

NAME = "owner/tiny"
SCRIPT = """
import json, logging, sys
from dataflow.errors import ConfigError
from dataflow.io.image import ImageIO
from dataflow.serving.backends.flux import Flux
from dataflow.serving.local_image_gen_serving import LocalImageGenServing

logging.basicConfig(level=logging.INFO)
options = json.loads(sys.argv[1])
if options.pop("own_family", False):
    options["backend"] = Flux
serving = LocalImageGenServing(ImageIO("out"), hf_model_name_or_path=options.pop("name"), **options)
try:
    print(json.dumps(serving.fingerprint()))
    serving.prepare()
    serving.settle()
    print(serving.licence)
except ConfigError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def hub(checkpoint: Callable[[str], Path], tmp_path: Path) -> Iterator[Hub]:
    import shutil

    folder = Path(shutil.copytree(checkpoint("flux"), tmp_path / "served"))
    (folder / "README.md").write_text("---\nlicense_name: flux-1-dev-non-commercial-license\n---\n")
    (folder / "flux1-dev.safetensors").write_bytes(b"the same weights once more")
    with serving_hub(NAME, folder) as hub:
        yield hub


def run(hub: Hub, folder: Path, *, offline: bool = False, **options: object) -> tuple[list[str], str]:
    """What a fresh process prints, and its log."""
    given = {"name": NAME, "hf_cache_dir": str(folder / "cache"), "device": "cpu", **options}
    done = run_script(SCRIPT, hub, folder, json.dumps(given), offline=offline)
    return done.stdout.splitlines(), done.stderr


def run_script(
    script: str, hub: Hub, folder: Path, *arguments: str, offline: bool = False
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": str(int(offline)), "HF_HOME": str(folder / "home")}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("kept", ["hf_local_dir", "hf_cache_dir"])
def test_a_model_is_downloaded_once_and_then_found_without_the_hub(kept: str, hub: Hub, tmp_path: Path) -> None:
    options: dict[str, Any] = {kept: str(tmp_path / "models")}
    (fingerprint, licence), log = run(hub, tmp_path, **options)
    assert json.loads(fingerprint)["revision"] == COMMIT
    assert licence == "flux-1-dev-non-commercial-license"
    assert "GB are free" in log
    assert not [path for path in hub.asked if "flux1-dev.safetensors" in path]
    hub.asked.clear()
    assert run(hub, tmp_path, offline=True, **options)[0] == [fingerprint, licence]
    assert hub.asked == []


@pytest.mark.parametrize("kept", ["local_dir", "cache_dir"])
def test_the_commit_that_ids_name_is_fetched_though_a_copy_of_another_is_here(
    kept: str, hub: Hub, tmp_path: Path
) -> None:
    """As on a machine of a cluster where the same model was used long ago."""
    models, other = tmp_path / "models", "bad" * 13 + "b"
    options: dict[str, Any] = {f"hf_{kept}": str(models)}
    run(hub, tmp_path, **options)
    for path in (models / NAME / ".dataflow-revision", *models.glob("*/refs/main")):
        if path.is_file():
            path.write_text(other)
    for snapshot in list(models.glob("*/snapshots/*")):
        snapshot.rename(snapshot.with_name(other))
    assert json.loads(run(hub, tmp_path, offline=True, **options)[0][0])["revision"] == other
    script = (
        "from dataflow.models.hub import commit_of;"
        " from dataflow.models.checkpoint import DiffusersLayout; from dataflow.models.source import Source;"
        f" source = Source({NAME!r}, DiffusersLayout(), {kept}={str(models)!r});"
        f" print(commit_of(source.fetch({{'revision': {COMMIT!r}}})))"
    )
    assert run_script(script, hub, tmp_path).stdout.split() == [COMMIT]


@pytest.mark.parametrize("kept", ["hf_local_dir", "hf_cache_dir"])
@pytest.mark.parametrize("revision", [None, COMMIT])
def test_an_id_does_not_depend_on_whether_the_weights_are_here(
    kept: str, revision: str | None, hub: Hub, tmp_path: Path
) -> None:
    """A family of one's own is in it, whose steps depend on the configuration of the transformer."""
    options: dict[str, Any] = {kept: str(tmp_path / "models"), "own_family": True, "revision": revision}
    (fingerprint, licence), _ = run(hub, tmp_path, **options)
    said = json.loads(fingerprint)
    assert (said["family"], said["steps"], said["guidance"]) == ("FLUX", 28, 3.5)
    assert licence == "flux-1-dev-non-commercial-license"
    large = [path.endswith((".safetensors", "tokenizer.json")) for path in hub.asked]
    small = [path.endswith("transformer/config.json") for path in hub.asked]
    assert small.index(True) < large.index(True)
    assert run(hub, tmp_path, offline=True, **options)[0] == [fingerprint, licence]


def test_a_hub_that_cannot_be_reached_is_one_line_with_the_fix(tmp_path: Path) -> None:
    nobody = Hub(NAME, tmp_path)
    nobody.url = "http://127.0.0.1:9"
    (line,), log = run(nobody, tmp_path)
    assert line.startswith(f"ConfigError cannot get {NAME} from the hub (ConnectError): connect to the internet, or")
    assert "HF_HUB_OFFLINE" not in line
    assert "set HF_ENDPOINT to a mirror, or give a folder" in line
    assert line.endswith("as hf_model_name_or_path (of a pipeline: --model, of its judge: --judge_model)")
    assert "Traceback" not in log


def test_plain_copies_lie_in_a_folder_per_model(hub: Hub, tmp_path: Path) -> None:
    run(hub, tmp_path, hf_local_dir=str(tmp_path / "models"))
    assert (tmp_path / "models" / "owner" / "tiny" / "model_index.json").is_file()
    pinned = HubModel(NAME, revision="refs/pr/1", local_dir=str(tmp_path / "models"))
    assert pinned.folder == tmp_path / "models" / "owner" / "tiny@refs--pr--1"


def test_a_gated_model_names_its_licence_page(hub: Hub, tmp_path: Path) -> None:
    hub.gated = True
    (said,), _ = run(hub, tmp_path)
    assert said.startswith("ConfigError")
    assert f"https://huggingface.co/{NAME}" in said
    assert "HF_TOKEN" in said


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"name": "owner/unknown"}, "neither a folder here nor a model"),
        ({"revision": "v9"}, "no revision 'v9'"),
        ({"offline": True}, ": unset HF_HUB_OFFLINE, or"),
    ],
)
def test_what_cannot_be_had_says_what_to_do(options: dict[str, Any], part: str, hub: Hub, tmp_path: Path) -> None:
    (said,), _ = run(hub, tmp_path, **options)
    assert part in said
