"""Makes the operators that draw and edit in an example pipeline: one try a row, or tries until a judge accepts."""

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
    """How a pipeline judges its edits, and the drawings that it edits.

    Args:
        model: the vision-language model that judges: its name at an address, a folder, or its name on the hub; None:
            the default model of an address, or the checker of a demo.
        url: the judge's address; None: the judge runs where the editing model runs.
        tries: most tries of a row, one after another, until an edit is accepted.
        candidates: edits of each try.
        gates: reject edits unjudged that changed nothing, or changed what they had to keep.
        canaries: ask the judge first about pictures with known answers, and stop if its answers are wrong.
        redraws: how often at most a rejected drawing is drawn again.
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
        """The model to load on this machine; None: none is named, or an address serves it."""
        return None if self.url else self.model


def make_drawer(
    serving: Worker,
    serving_type: str,
    judging: Judging | None,
    *,
    api_url: str | None = None,
    repeat_times: int | None = None,
) -> PromptedImageGenerator | CheckedImageGenerator:
    """Make the operator that draws: one drawing a picture, or drawings until a judge accepts one.

    Args:
        serving: the drawing model.
        serving_type: "local", "api" or "demo": where the drawing model runs, and the judge if it has no address.
        judging: how drawings are judged; None: they are not judged.
        api_url: address of the drawing model; None: the environment's `DF_BASE_URL`.
        repeat_times: pictures of a description; None: as many as the serving was set up to make.

    Raises:
        ConfigError: no judge is named or found; a number is below 0.
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
    """Make the operator that edits: one edit a row, or edits until a judge accepts one.

    Args:
        serving: the editing model.
        serving_type: "local", "api" or "demo": where the editing model runs, and the judge if it has no address.
        judging: how edits are judged; None: they are not judged.
        api_url: address of the editing model; None: the environment's `DF_BASE_URL`.
        repeat_times: results of a row; with a judge it must be 1.

    Raises:
        ConfigError: no judge is named or found; a number is below 1; a judge and several results are asked for.
    """
    if judging is None:
        return PromptedImageEditGenerator(image_edit_serving=serving, save_interval=10, repeat_times=repeat_times)
    if repeat_times != 1:
        raise ConfigError(f"repeat_times is {repeat_times}, and a judge accepts one edit of a row: give candidates")
    judge = make_judge(serving_type, judging, api_url=api_url)
    return ImageEditAcceptLoop(serving, judge, tries=judging.tries, candidates=judging.candidates, gates=judging.gates)


def make_judge(serving_type: str, judging: Judging, *, api_url: str | None = None) -> ImageEditJudge:
    """Make the operator that judges edits.

    Args:
        serving_type: "local", "api" or "demo": where the judge runs if it has no address.
        judging: how edits are judged.
        api_url: address of the editing model, which is the judge's too if it has none; None: the environment's
            `DF_BASE_URL`.

    Raises:
        ConfigError: no judge is named or found; the thresholds were calibrated for another judge.
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

    # Without this a thinking model spends all its tokens on thoughts; the rubric asks for the reasons it needs.
    quick = {"enable_thinking": False}
    local = LocalVLMServing(judging.model, hf_cache_dir=CACHE_DIR, hf_local_dir=LOCAL_DIR, template_arguments=quick)
    return ImageEditJudge(local, thresholds=least, canaries=judging.canaries)
