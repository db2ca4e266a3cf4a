"""How trainers read files, each in as few lines as show what it loses without a word.

Written after their own loading code, at the commits that docs/export.md names; nothing here knows how an export is
made.
"""

import json
import os
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image, ImageOps

from tests.kit.awkward import Pixels

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
Loader = Callable[[Path, str], "Iterator[Read]"]


@dataclass(frozen=True, slots=True)
class Read:
    """One sample as its trainer has it before it resizes anything."""

    words: str
    inputs: list[Pixels]
    edited: Pixels
    mask: Pixels | None = None


def bare(path: Path | str) -> Pixels:
    """DiffSynth-Studio, OmniGen2, UniWorld, Step1X: no EXIF turn, whatever lies under the alpha, 16 bits cut."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def turned_on_black(path: Path | str) -> Pixels:
    """ai-toolkit: EXIF turned, black under the alpha."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA"):
        ground = Image.new("RGB", upright.size, (0, 0, 0))
        ground.paste(upright, mask=upright.getchannel("A"))
        upright = ground
    return np.asarray(upright.convert("RGB"))


def first_three_channels(path: Path | str) -> Pixels:
    """musubi-tuner: RGBA stays, and its alpha is dropped later."""
    with Image.open(path) as image:
        kept = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
        return np.asarray(kept)[..., :3]


def on_white(path: Path | str) -> Pixels:
    """diffusion-pipe: alpha over white, no EXIF turn."""
    with Image.open(path) as opened:
        image: Image.Image = opened
        if image.mode not in ("RGB", "RGBA") and "transparency" in image.info:
            image = image.convert("RGBA")
        if image.mode == "RGBA":
            ground = Image.new("RGBA", image.size, (255, 255, 255))
            ground.alpha_composite(image)
            image = ground
        return np.asarray(image.convert("RGB"))


def ai_toolkit(out: Path, split: str) -> Iterator[Read]:
    """Stems, in up to three folders; a control that is missing moves the next one up."""
    for data in yaml.safe_load((out / "ai-toolkit" / f"{split}.yaml").read_text())["datasets"]:
        folders = data.get("control_path") or []
        folders = folders if isinstance(folders, list) else [folders]
        for root, _, names in os.walk(data["folder_path"]):
            for name in names:
                if not name.lower().endswith(ENDINGS) or name.startswith("."):
                    continue
                stem = os.path.splitext(name)[0]
                text = Path(root, stem + "." + data["caption_ext"].lstrip("."))
                there = [_by_stem(folder, stem) for folder in folders[:3]]
                controls = [turned_on_black(path) for path in there if path is not None]
                masked = _by_stem(data["mask_path"], stem) if "mask_path" in data else None
                mask = None if masked is None else bare(masked)
                words = text.read_text(encoding="utf-8") if text.exists() else ""
                yield Read(words, controls, turned_on_black(Path(root, name)), mask)


def _by_stem(folder: str, stem: str) -> Path | None:
    return next((path for ending in ENDINGS if (path := Path(folder, stem + ending)).exists()), None)


def simpletuner(out: Path, split: str) -> Iterator[Read]:
    """Every line of a text is a caption; a conditioning picture has the very name of its target, or there is none."""
    backends = {each["id"]: each for each in json.loads((out / "simpletuner" / f"{split}.json").read_text())}
    for data in (each for each in backends.values() if each.get("caption_strategy") == "textfile"):
        for path in sorted(Path(data["instance_data_dir"]).rglob("*")):
            if path.suffix.lower() not in ENDINGS:
                continue
            captions = [line for line in path.with_suffix(".txt").read_text("utf-8").split("\n") if line]
            inputs, mask = [], None
            for name in data["conditioning_data"]:
                other = backends[name]
                assert other["source_dataset_id"] == data["id"]
                found = Path(other["instance_data_dir"], path.name)
                if other["conditioning_type"] == "mask":
                    mask = bare(found)
                elif found.exists():
                    inputs.append(bare(found))
            for caption in captions:
                yield Read(caption, inputs, bare(path), mask)


def diffusion_pipe(out: Path, split: str) -> Iterator[Read]:
    """All that is no text is a picture; `captions.json` takes the place of all texts."""
    for data in tomllib.loads((out / "diffusion-pipe" / f"{split}.toml").read_text())["directory"]:
        folder = Path(data["path"])
        controls, masks = _stems(data.get("control_path")), _stems(data.get("mask_path"))
        captions_file = (
            json.loads((folder / "captions.json").read_text()) if (folder / "captions.json").exists() else None
        )
        for path in sorted(folder.glob("*")):
            if path.suffix in (".txt", ".npz", ".json", ".parquet", ".bak", ".db"):
                continue
            captions = (
                [path.with_suffix(".txt").read_text().strip()] if captions_file is None else captions_file[path.name]
            )
            for caption in captions:
                mask = bare(masks[path.stem])[..., 0] if path.stem in masks else None
                inputs = [on_white(controls[path.stem])] if controls else []
                yield Read(caption, inputs, on_white(path), mask)


def _stems(folder: str | None) -> dict[str, Path]:
    return {} if folder is None else {path.stem: path for path in Path(folder).glob("*")}


def musubi(out: Path, split: str) -> Iterator[Read]:
    """Controls up to the first number that is missing; a blank line raises."""
    for data in tomllib.loads((out / "musubi" / f"{split}.toml").read_text())["datasets"]:
        assert not Path(data["cache_directory"]).exists()
        for line in Path(data["image_jsonl_file"]).read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            controls: list[Pixels] = []
            while f"control_path_{len(controls)}" in item:
                controls.append(first_three_channels(item[f"control_path_{len(controls)}"]))
            yield Read(item["caption"], controls, first_three_channels(item["image_path"]))


def diffsynth(out: Path, split: str, *, file: str = "") -> Iterator[Read]:
    """Paths below the base path; a list is several pictures, a string is one."""
    for item in json.loads((out / "diffsynth" / f"{split}{file}.json").read_text()):
        given = item["kontext_images" if file else "edit_image"]
        names = given if isinstance(given, list) else [given]
        assert isinstance(given, str if file else list)
        yield Read(item["prompt"], [bare(out / name) for name in names], bare(out / item["image"]))


def omnigen2(out: Path, split: str) -> Iterator[Read]:
    """What cannot be opened becomes another row: here it raises."""
    for data in yaml.safe_load((out / "omnigen2" / f"{split}.yml").read_text())["data"]:
        assert data["ratio"] == 1.0
        for line in Path(data["path"]).read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            largest = [1048576, 1048576, 589824, 262144]
            assert largest[len(item["input_images"]) - 1]
            yield Read(item["instruction"], [bare(each) for each in item["input_images"]], bare(item["output_image"]))


def step1x(out: Path, split: str) -> Iterator[Read]:
    """One source; of a caption of several lines the first."""
    (data,) = tomllib.loads((out / "step1x" / f"{split}.toml").read_text())["datasets"]
    for target, item in json.loads(Path(data["subsets"][0]["metadata_file"]).read_text()).items():
        yield Read(item["caption"].split("\n")[0], [bare(item["ref_image_path"])], bare(target))


def uniworld(out: Path, split: str) -> Iterator[Read]:
    """The last picture is the target; marks of pictures and ends of lines are taken out of the instruction."""
    for entry in (out / "uniworld" / f"{split}.txt").read_text().splitlines():
        root, listed, _ = entry.strip().split(",")
        for item in json.loads(Path(listed).read_text()):
            paths = [os.path.join(root, name) for name in item["image"]]
            (prompt,) = [each["value"] for each in item["conversations"] if each["from"] == "human"]
            (answer,) = [each["value"] for each in item["conversations"] if each["from"] == "gpt"]
            assert answer == "<gen_image>"
            assert prompt.count("<image>") == len(paths) - 1
            words = prompt.replace("<image>", "").replace("\n", "")
            yield Read(words, [bare(path) for path in paths[:-1]], bare(paths[-1]))
