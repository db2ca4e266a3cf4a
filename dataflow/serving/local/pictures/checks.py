"""Check a picture model's settings against its checkpoint, before weights are loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import Checkpoint
from dataflow.models.files import read_json
from dataflow.serving.backends import Backend
from dataflow.serving.local.pictures.settings import LocalSettings
from dataflow.serving.local.worker import need_peft


def check_family(backend: Backend, checkpoint: Checkpoint, settings: LocalSettings) -> None:
    """Check that the checkpoint is of the family that the user expects, and that the family does the task.

    Raises:
        ConfigError: the family is another one, or does not do the task.
    """
    expected, task = settings.family, settings.task
    found = f"{checkpoint.folder / 'model_index.json'} names {checkpoint.pipeline}"
    if expected and _bare(expected) not in (_bare(backend.family), _bare(checkpoint.pipeline)):
        raise ConfigError(
            f"diffuser_model_name={expected!r}, but {found}, which is {backend.family}: correct the name, or"
            f" give another model"
        )
    if task not in backend.tasks:
        does = " or ".join(f"Image_gen_task={task!r}" for task in sorted(backend.tasks))
        raise ConfigError(
            f"Image_gen_task={task!r}, but {found} ({backend.family}), which does"
            f" {does or 'neither drawing nor editing from a prompt'}: change the task or the model"
        )


def mask_problem(backend: Backend, settings: LocalSettings) -> str:
    """Why the model ignores a row's mask, in words; empty if it draws within the mask."""
    if not backend.inpaint:
        return (
            f"{settings.model} ({backend.family}) draws within no mask: FLUX-Kontext, FLUX.2 klein and Qwen-Image-Edit"
            f" do, or leave out input_mask_key"
        )
    if settings.preset == "turbo":
        return "preset='turbo' skips steps in a way that does not go with masks: choose preset='fast'"
    import diffusers

    if backend.inpaint not in dir(diffusers):
        return f"diffusers {diffusers.__version__} has no {backend.inpaint}: upgrade it, or leave out input_mask_key"
    return ""


def check_loras(loras: Sequence[tuple[str, float]]) -> None:
    """Check that LoRAs given by a path exist, and that the library which loads LoRAs is installed.

    Args:
        loras: path or hub name, and scale, of each LoRA.

    Raises:
        ConfigError: a file or the library is missing.
    """
    if loras:
        need_peft()
    for path, _ in loras:
        is_path = path.endswith(".safetensors") or path.startswith((".", "/")) or path.count("/") != 1
        if is_path and not Path(path).exists():
            raise ConfigError(
                f"lora={path!r}: there is no {Path(path).absolute()}. Give a file or folder with .safetensors, or a"
                f" name on the hub such as owner/model"
            )


def check_code(checkpoint: Checkpoint, pipe_kwargs: Mapping[str, object]) -> None:
    """Check that loading the checkpoint would run no code of the checkpoint's, and import no module of the user's.

    diffusers before 0.38 runs a component's own `.py` file unasked; 0.38 to 0.40 import any module that
    model_index.json names. Source: `get_class_obj_and_candidates` and `_resolve_custom_pipeline_and_cls` in
    diffusers/pipelines/pipeline_loading_utils.py of 0.37.1, which look for "<library>.py" and "None.py".

    Args:
        checkpoint: on disk.
        pipe_kwargs: the user's; a component that the user hands over is not loaded, and `trust_remote_code` allows
            all code.

    Raises:
        ConfigError: code would run; the error names the component or the file.
    """
    if pipe_kwargs.get("trust_remote_code"):
        return
    for entry in sorted(checkpoint.folder.rglob("model_index.json")):  # a component may be a pipeline itself
        given = pipe_kwargs if entry.parent == checkpoint.folder else {}
        index = read_json(entry)
        named = {name: pair for name, pair in index.items() if isinstance(pair, list) and pair and name not in given}
        for name, (library, *_) in named.items():
            if library is not None and not _is_a_library(library):
                raise ConfigError(
                    f"{entry} takes its {name} from {library!r}, which is code of the checkpoint's own, and that is not"
                    f" run: choose a model that diffusers has, or hand over pipe_kwargs={{{name!r}: ...}}"
                )
        files = [entry.parent / name / f"{library}.py" for name, (library, *_) in named.items()]
        for path in (entry.parent / "None.py", *files):
            if path.exists():
                raise ConfigError(f"{path} is code that diffusers would run, and none of a checkpoint is: remove it")


def _is_a_library(library: object) -> bool:
    """Whether model_index.json may load a component from here: diffusers, transformers, or a module of diffusers."""
    if library in ("diffusers", "transformers"):
        return True
    from diffusers import pipelines

    return isinstance(library, str) and library.isidentifier() and hasattr(pipelines, library)


def _bare(name: str) -> str:
    """A family's name in lower case without punctuation, so that "FLUX-Kontext" equals "flux_kontext"."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
