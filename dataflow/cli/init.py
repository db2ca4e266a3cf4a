"""`dataflowmm init`: copies the example pipelines and their data into the working directory."""

import shutil
from pathlib import Path

import dataflow
from dataflow.cli.streams import say
from dataflow.core.words import count_of
from dataflow.errors import ConfigError

FOLDERS = ("gpu_pipelines", "example_data")


def shipped_folder(name: str) -> Path:
    """The path of a folder that `init` copies: in the installed package, or in the checkout.

    Raises:
        ConfigError: the installation is incomplete.
    """
    package = Path(dataflow.__file__).parent
    for place in (package / "shipped" / name, package.parent / name):
        if place.is_dir():
            return place
    raise ConfigError(f"this installation has no {name}: install it again with `pip install --force-reinstall`")


def init(target: Path, *, force: bool = False) -> None:
    """Copy the files that are missing; a file that differs is overwritten only with `force`.

    Args:
        target: the working directory.
        force: overwrite files that differ from ours.

    Raises:
        ConfigError: the installation is incomplete; a file cannot be written.
    """
    kept: list[Path] = []
    for name in FOLDERS:
        source = shipped_folder(name)
        if (target / name).exists() and (target / name).samefile(source):
            say(f"{name}/: already here, nothing to copy")
            continue
        try:
            copied, differing, present = _copy(source, target / name, force=force)
        except OSError as error:
            why = f"cannot write {error.filename} ({error.strerror})"
            raise ConfigError(f"{why}: go to a folder you may write, and run `dataflowmm init` there") from None
        kept += differing
        why = "because it differs" if len(differing) == 1 else "because they differ"
        say(f"{name}/: {count_of(copied, 'file')} copied, {present} already here, {len(differing)} kept {why}")
    for path in kept:
        say(f"  kept {path.relative_to(target)}")
    if kept:
        say("Use --force to overwrite what differs.")
    say("Next: python gpu_pipelines/image_editing_pipeline.py --serving_type demo")


def _copy(source: Path, target: Path, *, force: bool) -> tuple[int, list[Path], int]:
    """Copy a folder; returns the files copied, the files kept because they differ, and the files that were there."""
    copied, present = 0, 0
    differing: list[Path] = []
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if path.is_dir() or "__pycache__" in inside.parts or "cache_local" in inside.parts:
            continue
        place = target / inside
        if place.exists() and place.read_bytes() == path.read_bytes():
            present += 1
        elif place.exists() and not force:
            differing.append(place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            copied += 1
    return copied, differing, present
