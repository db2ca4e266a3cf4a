"""What draws and edits in an example pipeline: a model alone, or a model and a judge that has it try again."""

from dataclasses import dataclass
from pathlib import Path

from dataflow.core.worker import JUDGE, Worker
from dataflow.errors import ConfigError
from dataflow.judging.verdict import THRESHOLD, Thresholds
from dataflow.operators.core_vision import (
    CheckedImageGenerator,
    ImageEditAcceptLoop,
    ImageEditJudge,
    PromptedImageEditGenerator,
    PromptedImageGenerator,
)
from dataflow.scripts.servings import CACHE_DIR, LOCAL_DIR
from dataflow.serving.api.models import default_model


@dataclass(frozen=True, slots=True)
class Judging:
    """How the edits of a pipeline are judged, and the drawings that it edits.

    Args:
        model: the judge: a vision-language model's name at its address, a folder, or its name on the hub; None: the
            usual one of an address, the demo's own of a demo.
        url: the judge's address; None: the judge is where the editing model is.
        tries: edits of a row, one after another, until one is accepted.
        candidates: edits of each try.
        gates: edits that changed nothing, or what they had to keep, fall before they are judged.
        canaries: the judge is first asked about pictures with known answers, and one that fails them is not trusted.
        redraws: how often a drawing that the judge rejects is drawn again at most.
        thresholds: path of a `thresholds.json` for edits; None: 7 for each axis.
    """

    model: str | None = None
    url: str | None = None
    tries: int = 2
    candidates: int = 1
    gates: bool = True
    redraws: int = 2
    canaries: bool = True
    thresholds: str | None = None

    @property
    def model_here(self) -> str | None:
        """The model that was named, unless an address has it."""
        return None if self.url else self.model


def make_drawer(
    serving: Worker,
    serving_type: str,
    judging: Judging | None,
    *,
    api_url: str | None = None,
    repeat_times: int | None = None,
) -> PromptedImageGenerator | CheckedImageGenerator:
    """What draws: each picture once, or with a judge until the drawing is accepted.

    Args:
        serving: the drawing model.
        serving_type: of it: "local", "api" or "demo"; the judge's too, where it has no address of its own.
        judging: how drawings are judged; None: they are not.
        api_url: of the drawing model; None reads `DF_BASE_URL`.
        repeat_times: pictures of a description; None: as many as the serving was set up to make.

    Raises:
        ConfigError: there is no judge of that kind; a number below 0.
    """
    if judging is None:
        return PromptedImageGenerator(t2i_serving=serving, save_interval=10, repeat_times=repeat_times)
    from dataflow.demo.judge import DRAWN_CONDITIONS, CheckerJudge

    judge = make_judge(serving_type, judging, api_url=api_url).workers[JUDGE]
    canaries = judging.canaries and (DRAWN_CONDITIONS if isinstance(judge, CheckerJudge) else True)
    return CheckedImageGenerator(
        serving, judge, redraws=judging.redraws, canaries=canaries, save_interval=10, repeat_times=repeat_times
    )


def make_editor(
    serving: Worker, serving_type: str, judging: Judging | None, *, api_url: str | None = None, repeat_times: int = 1
) -> PromptedImageEditGenerator | ImageEditAcceptLoop:
    """What edits: each row once, or with a judge until one of its edits is accepted.

    Args:
        serving: the editing model.
        serving_type: of it: "local", "api" or "demo"; the judge's too, where it has no address of its own.
        judging: how edits are judged; None: they are not.
        api_url: of the editing model; None reads `DF_BASE_URL`.
        repeat_times: results of a row; a judge accepts one.

    Raises:
        ConfigError: there is no judge of that kind; a number below 1; several results and a judge.
    """
    if judging is None:
        return PromptedImageEditGenerator(image_edit_serving=serving, save_interval=10, repeat_times=repeat_times)
    if repeat_times != 1:
        raise ConfigError(f"repeat_times is {repeat_times}, and a judge accepts one edit of a row: give candidates")
    judge = make_judge(serving_type, judging, api_url=api_url)
    return ImageEditAcceptLoop(serving, judge, tries=judging.tries, candidates=judging.candidates, gates=judging.gates)


def make_judge(serving_type: str, judging: Judging, *, api_url: str | None = None) -> ImageEditJudge:
    """What judges edits.

    Args:
        serving_type: of the editing model, and of the judge where it has no address of its own.
        judging: how edits are judged.
        api_url: of the editing model; None reads `DF_BASE_URL`.

    Raises:
        ConfigError: there is no judge of that kind; thresholds of another one.
    """
    least: Thresholds = THRESHOLD if judging.thresholds is None else judging.thresholds
    if judging.url or serving_type == "api":
        from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

        online = APIVLMServing_openai(judging.url or api_url, model_name=judging.model or default_model("text"))
        return ImageEditJudge(online, thresholds=least, canaries=judging.canaries)
    if serving_type == "demo" and judging.model is None:
        from dataflow.demo.judge import DRAWN_CANARIES, CheckerJudge

        return ImageEditJudge(CheckerJudge(), thresholds=least, canaries=judging.canaries and DRAWN_CANARIES)
    if judging.model is None:
        raise ConfigError("no judge: give --judge_model, such as Qwen/Qwen3.5-9B; and --judge_url where one is served")
    if serving_type == "demo" and not Path(judging.model).is_dir():
        raise ConfigError(
            f"no folder {judging.model}: --judge_model of a demo is the folder of a vision-language model, or its name"
            " at --judge_url; leave it out for the demo's own"
        )
    from dataflow.serving.local_vlm_serving import LocalVLMServing

    # A thinking model would fill its answer with thoughts; the rubric asks for its reasons.
    quick = {"enable_thinking": False}
    local = LocalVLMServing(judging.model, hf_cache_dir=CACHE_DIR, hf_local_dir=LOCAL_DIR, template_arguments=quick)
    return ImageEditJudge(local, thresholds=least, canaries=judging.canaries)
