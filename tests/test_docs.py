"""Every fenced python block of README and docs runs, page by page, from top to bottom."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.loopback import LoopbackServer

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODEL = "ckpt/my-model"  # a tiny checkpoint, where a page has a model of one's own
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder beside the example data, and an address and a key in the environment."""
    (tmp_path / "example_data").symlink_to(ROOT / "example_data")
    monkeypatch.chdir(tmp_path)
    with LoopbackServer(text="yes, it does") as server:
        monkeypatch.setenv("DF_BASE_URL", server.url)
        monkeypatch.setenv("DF_API_KEY", "a-key-of-this-test")
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_run(page: Path, tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    text = page.read_text(encoding="utf-8")
    if MODEL in text:
        (tmp_path / MODEL).parent.mkdir()
        (tmp_path / MODEL).symlink_to(checkpoint("flux_img2img"))
    names: dict[str, object] = {"__name__": "docs"}
    for block in BLOCK.finditer(text):
        line = text[: block.start()].count("\n") + 1
        code = compile("\n" * line + block[1], str(page), "exec")
        exec(code, names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_public_name_and_command_is_mentioned() -> None:
    import dataflow.errors as errors
    from dataflow import operators  # noqa: F401 - the package must import
    from dataflow.cli.main import _parser
    from dataflow.operators import core_text, core_vision

    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    own = [name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__]
    public = [name for name in own if name != "DataflowError" and not name.startswith("_")]
    assert len(public) > 12
    public += [*core_vision.__all__, *core_text.__all__]
    public += ["FileStorage", "ImageIO", "APIVLMServing_openai", "OperatorABC"]
    public += ["APIImageGenServing", "LocalLLMServing", "LocalVLMServing"]
    public += ["Dialect", "Provider", "ScriptedWorker", "image_server"]
    public += ["OneWaveOperator", "GeneratorOperator", "FilterOperator", "Side", "Worker", "Request", "Answer"]
    commands = next(action.choices for action in _parser()._actions if action.dest == "command")
    assert commands is not None
    missing = [name for name in public if name not in text]
    missing += [f"dataflowmm {name}" for name in commands if f"dataflowmm {name}" not in text]
    assert missing == []
