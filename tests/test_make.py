"""What pages, workflows and hooks tell people to run is a target of the Makefile, or a hook that fetches nothing."""

import os
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_contributing_names_every_target_that_people_run() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"make ([a-z-]+)", text)) == TARGETS - {"lint", "clean"}


def test_the_demo_runs_where_it_was_called_so_that_the_paths_it_prints_open_there() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndemo:")[2].partition("\n\n")[0]
    pipelines = re.findall(r"\t\$\(BIN\)/python (gpu_pipelines/\w+\.py)", recipe)
    assert len(pipelines) == recipe.count("\n\t") > 0
    assert all((ROOT / pipeline).is_file() for pipeline in pipelines)


def test_workflows_call_make_and_nothing_else() -> None:
    commands = []
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            commands += [step["run"] for step in job["steps"] if "run" in step]
    assert len(commands) >= len(WORKFLOWS) > 0
    for command in commands:
        assert command.removeprefix("make ") in TARGETS, command


def test_hooks_are_local() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]


def test_what_make_starts_keeps_its_bytecode_in_an_image_that_forbids_it() -> None:
    shown = 'include Makefile\nshown:\n\techo "<$$PYTHONDONTWRITEBYTECODE>"\n'
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["make", "-sf", "-", "shown"], cwd=ROOT, env=env, input=shown, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "<>\n"), done.stderr
