"""Edits at engines of one's own: what would go wrong without a word, each against a stub with the engine's rules."""

import io
import json

import pytest
from aiohttp import web
from PIL import Image

from dataflow.core.records import Request
from dataflow.errors import ConfigError
from dataflow.operators.core_vision import PromptedImageEditGenerator, PromptedImageGenerator
from dataflow.serving.api.own_server import profile
from dataflow.serving.api.probe import ListedModel, ServerFacts
from dataflow.serving.api.providers import Provider
from dataflow.utils.storage import FileStorage
from tests.kit import engines, shapes
from tests.kit.asking import ask_each_once, ask_once
from tests.kit.drawing import draw_png, mark_of
from tests.kit.engines import Drawn, EngineServer
from tests.kit.flow import draw, prompts_storage, write_rows
from tests.kit.loopback import Act
from tests.kit.own_servers import QWEN, edit, photo, serve

__all__ = ["photo", "serve"]

MASK = draw_png(mark_of("mask"))
ENGINES = [engines.VLLM_OMNI, engines.SGLANG, engines.DYNAMO]
NAMES = ["vLLM-Omni", "SGLang", "Dynamo"]


@pytest.mark.parametrize("kind", ENGINES, ids=NAMES)
def test_an_edit_goes_where_the_engine_edits(kind, serve, photo):
    with EngineServer(kind) as server:
        edit(serve(server), photo)
        assert [asked.path for asked in server.asked] == ["/v1/images/edits"] * len(server.asked)
        assert server.drawn[-1].inputs == 1


def test_a_gateway_that_has_the_same_paths_is_asked_as_before(serve, photo):
    with EngineServer(engines.GATEWAY) as server:
        server.act_for = lambda asked: Act()
        serving = serve(server)
        assert edit(serving, photo).model == ""
        assert (server.asked[0].path, server.asked[0].body["modalities"]) == ("/v1/chat/completions", ["image", "text"])
        assert serving.fingerprint() == {"model": QWEN, "extra_body": {}}


def test_an_unknown_server_without_a_chat_is_asked_for_pictures_and_for_no_size(serve, photo):
    with EngineServer(engines.IMAGES_ONLY) as server:
        edit(serve(server), photo)
        assert (server.asked[0].path, "size" in server.asked[0].body) == ("/v1/images/edits", False)


@pytest.mark.parametrize("kind", ENGINES, ids=NAMES)
def test_a_drawing_goes_where_the_engine_draws(kind, serve):
    with EngineServer(kind, "Qwen/Qwen-Image") as server:
        edit(serve(server, model_name="Qwen/Qwen-Image"))
        assert {asked.path for asked in server.asked} == {"/v1/images/generations"}


def test_texts_of_the_same_serving_are_still_a_chat(serve, photo):
    with EngineServer(engines.VLLM_OMNI, "bagel", writes=True) as server:
        server.act_for = lambda asked: engines.words(asked, "A red photo.")
        answer = ask_once(serve(server, model_name="bagel", temperature=0.5), Request("look", (photo,), "text"))
        assert answer.text == "A red photo."
        assert [(asked.path, asked.body["temperature"]) for asked in server.asked] == [("/v1/chat/completions", 0.5)]


def test_a_model_that_can_write_draws_where_a_chat_is_asked_for(serve, photo):
    with EngineServer(engines.VLLM_OMNI, "bagel", writes=True) as server:
        answer = edit(serve(server, model_name="bagel", api_format="chat"), photo)
        assert (len(answer.pictures), server.drawn[-1].words) == (1, False)


@pytest.mark.parametrize("kind", ENGINES, ids=NAMES)
@pytest.mark.parametrize("format_", [None, "chat"])
def test_qwen_is_guided_as_our_own_backend_guides_it(kind, format_, serve, photo):
    if format_ == "chat" and kind is not engines.VLLM_OMNI:
        return  # it has no chat
    with EngineServer(kind) as server:
        edit(serve(server, api_format=format_), photo)
        assert server.drawn[-1].cfg == 4.0
        assert server.requests == 1


def test_guidance_and_seed_of_dynamo_go_into_one_object_beside_the_users_own(serve, photo):
    with EngineServer(engines.DYNAMO) as server:
        serving = serve(server)
        edit(serving, photo, seed=7)
        edit(serve(server, extra_body={"nvext": {"num_inference_steps": 20}}), photo, seed=7)
        first, second = (json.loads(asked.body["nvext"]) for asked in server.asked)
    assert first == {"negative_prompt": " ", "guidance_scale": 4.0, "seed": 7}
    assert second == {"num_inference_steps": 20, "seed": 7}  # who writes the object guides by it
    asked = {"nvext": {"negative_prompt": " ", "guidance_scale": 4.0}, "pixels": 1024 * 1024, "extra_body": {}}
    assert serving.fingerprint() == {"model": QWEN, **asked}
    before = {"model": QWEN, "pixels": 1024 * 1024, "extra_body": {}}  # answers of earlier versions, without guidance
    assert before in serving.other_fingerprints()


@pytest.mark.parametrize(
    ("model", "extra", "cfg"),
    [
        (QWEN, {"true_cfg_scale": 2.5}, 2.5),
        (QWEN, {"negative_prompt": ""}, 0.0),
        (QWEN, {"num_inference_steps": 8}, 0.0),
        (QWEN, {"num_inference_steps": 40}, 4.0),
        ("Qwen-Image-Edit-2511-Lightning-4steps", {}, 0.0),
        ("black-forest-labs/FLUX.1-Kontext-dev", {}, 0.0),
    ],
)
def test_guidance_is_the_users_and_the_models_own(model, extra, cfg, serve, photo):
    with EngineServer(engines.VLLM_OMNI, model) as server:
        edit(serve(server, model_name=model, extra_body=extra), photo)
        assert server.drawn[-1].cfg == cfg


@pytest.mark.parametrize("kind", ENGINES, ids=NAMES)
def test_a_large_photo_is_edited_at_a_megapixel_of_its_aspect(kind, serve, tmp_path):
    large = str(draw(tmp_path / "large.png", size=(1600, 1200)))
    with EngineServer(kind) as server:
        edit(serve(server), large)
        edit(serve(server), large, size=(512, 384))
        edit(serve(server, extra_body={"size": "640x480"}), large)
        assert [drawn.size for drawn in server.drawn] == [(1184, 880), (512, 384), (640, 480)]


def test_pictures_of_sglang_come_as_png(serve, photo, caplog):
    with EngineServer(engines.SGLANG) as server:
        answer = edit(serve(server), photo)
        assert answer.pictures[0].path.endswith(".png")
    assert "JPEG" not in caplog.text


@pytest.mark.parametrize(("kind", "format_"), [(engines.SGLANG, "jpeg"), (engines.PLAIN, None)])
def test_a_jpeg_that_nobody_asked_for_is_told_once(kind, format_, serve, photo, caplog):
    with EngineServer(kind) as server:
        server.act_for = lambda asked: engines.jpeg(asked)
        serving = serve(server, api_format="images", extra_body={"output_format": format_} if format_ else {})
        answers = ask_each_once(serving, [Request("a", (photo,)), Request("b", (photo,))])
        assert [answer.error for answer in answers] == [None, None]
    assert caplog.text.count("JPEG") == (0 if format_ else 1)
    assert format_ or "have it send PNG, with extra_body" in caplog.text


def test_a_server_that_ignores_that_png_is_wanted_is_told_so(serve, photo, caplog):
    with EngineServer(engines.SGLANG) as server:
        server.act_for = lambda asked: engines.jpeg(asked)
        edit(serve(server), photo)
    assert "it was asked for PNG, and ignores that" in caplog.text
    assert "extra_body" not in caplog.text


@pytest.mark.parametrize(
    ("kind", "model", "given", "told"),
    [
        (engines.VLLM_OMNI, "/models/qwen-edit", {}, 1),
        (engines.VLLM_OMNI, "/models/qwen-edit", {"negative_prompt": " "}, 0),
        (engines.VLLM_OMNI, "/models/FLUX.2-klein", {}, 0),
        (engines.SGLANG, "/models/qwen-edit", {}, 0),  # has guidance unasked
    ],
)
def test_a_folder_that_tells_no_family_is_warned_of_once(kind, model, given, told, serve, caplog):
    with EngineServer(kind, model) as server:
        serving = serve(server, model_name=model, extra_body=given)
        serving.prepare()
        serving.prepare()
    assert caplog.text.count("tells a family of models: edits go without negative prompt and guidance") == told


def test_a_mask_reaches_the_model_that_takes_one(serve, photo):
    model = "black-forest-labs/FLUX.2-klein-9B"
    with EngineServer(engines.VLLM_OMNI, model) as server:
        edit(serve(server, model_name=model, extra_body={"mask": shapes.data_url(MASK)}), photo)
        assert server.drawn[-1].mask == MASK


def test_a_rows_own_mask_reaches_that_model_level_for_level(serve, photo, tmp_path):
    model, path = "black-forest-labs/FLUX.2-klein-9B", tmp_path / "mask.png"
    mask = Image.new("L", (400, 300))
    mask.paste(255, (40, 40, 200, 200))
    mask.save(path)
    with EngineServer(engines.VLLM_OMNI, model) as server:
        edit(serve(server, model_name=model), photo, mask=str(path))
        with Image.open(io.BytesIO(server.drawn[-1].mask)) as arrived:  # as the engine's processor reads it
            assert arrived.convert("L").tobytes() == mask.tobytes()
    with EngineServer(engines.SGLANG) as server:
        answer = ask_once(serve(server), Request("x", (photo,), mask=str(path)))
        assert (server.requests, answer.error.kind) == (0, "fatal")
        assert "reads a mask and never uses it" in answer.error.reason


@pytest.mark.parametrize("kind", ENGINES, ids=NAMES)
def test_a_mask_that_would_count_for_nothing_is_refused_before_anything_is_sent(kind, serve, photo):
    with EngineServer(kind) as server:
        answer = ask_once(serve(server, extra_body={"mask": shapes.data_url(MASK)}), Request("x", (photo,)))
        assert server.requests == 0
    assert answer.error.kind == "fatal"
    assert "leave out `mask`" in answer.error.reason


def test_another_model_than_sglang_draws_with_is_recorded_and_stops_whoever_wants_it_strictly(serve, photo):
    with EngineServer(engines.SGLANG) as server:
        assert edit(serve(server, model_name="flux-3"), photo).model == QWEN
        answer = ask_once(serve(server, model_name="flux-3", strict_model=True), Request("x", (photo,)))
    assert answer.error.kind == "fatal"
    assert QWEN in answer.error.reason


@pytest.mark.parametrize(
    ("asked", "served", "kind"),
    [
        (QWEN, f"/{'cache/' * 30}{QWEN}/", ""),
        (QWEN, f"/{'cache/' * 30}models--Qwen--Qwen-Image-Edit-2511/snapshots/{'6f3c' * 10}", ""),
        ("/models/a/", "/models/b/", "fatal"),
    ],
)
def test_a_path_is_the_model_at_its_end_for_whoever_wants_it_strictly(asked, served, kind, serve, photo):
    with EngineServer(engines.SGLANG, served) as server:
        answer = ask_once(serve(server, model_name=asked, strict_model=True), Request("x", (photo,)))
    assert (answer.error.kind if answer.error else "") == kind
    assert answer.model == served


@pytest.mark.parametrize(("seed", "expected"), [(7, 7), (None, int("ab" * 4, 16) >> 1)])
@pytest.mark.parametrize("kind", ENGINES, ids=NAMES)
def test_a_seed_arrives(kind, seed, expected, serve, photo):
    with EngineServer(kind) as server:
        first, second = ask_each_once(serve(server), [Request(text, (photo,), seed=seed) for text in "ab"])
        assert (first.error, second.error) == (None, None)
        assert [drawn.seed for drawn in server.drawn] == [expected, expected]
        assert server.requests == len(server.drawn)


@pytest.mark.parametrize(("model", "most"), [(QWEN, 4), ("Qwen/Qwen-Image-Edit", 1), ("tencent/HunyuanImage-3.0", 3)])
def test_more_inputs_than_a_model_takes_are_not_sent(model, most, serve, tmp_path):
    photos = [str(draw(tmp_path / f"{k}.png", size=(8 + k, 8))) for k in range(most + 1)]
    with EngineServer(engines.VLLM_OMNI, model, most_inputs=most) as server:
        answer = ask_once(serve(server, model_name=model), Request("x", tuple(photos)))
        assert server.requests == 0
        edit(serve(server, model_name=model), *photos[:-1])
    assert answer.error.kind == "retry"
    assert f"takes at most {most} picture{'s' if most > 1 else ''} at" in answer.error.reason


def test_a_row_that_is_not_sent_is_no_request(serve, tmp_path):
    draw(tmp_path / "in.png")
    rows = [{"images": ["in.png"] * many, "prompt": "x"} for many in (1, 5)]
    source = write_rows(tmp_path / "rows.jsonl", rows)
    with EngineServer(engines.VLLM_OMNI) as server:
        step = FileStorage(source, tmp_path / "cache").step()
        summary = PromptedImageEditGenerator(serve(server)).run(
            step, input_image_key="images", input_conversation_key="prompt"
        )
        assert (summary.requests, server.requests, summary.failed) == (1, 1, 1)


def test_of_a_server_that_describes_nothing_nothing_is_asked_otherwise(serve, photo):
    with EngineServer(engines.PLAIN) as server:
        edit(serve(server, api_format="images"), photo)
        assert server.drawn == [Drawn((64, 48), 0.0, int("ab" * 4, 16) >> 1, 1)]
        assert len(server.probed) == 2


def test_a_provider_of_ones_own_is_in_the_id_as_it_is(serve, photo):
    mine = Provider(edit_fields={"negative_prompt": "blur"}, edit_pixels=256 * 256)
    with EngineServer(engines.VLLM_OMNI) as server:
        serving = serve(server, provider=mine, api_format="images", extra_body={"true_cfg_scale": 2.0})
        edit(serving, photo)
        assert (server.drawn[0].cfg, server.drawn[0].size, server.probed) == (2.0, (304, 224), [])
    asked = {"negative_prompt": "blur", "pixels": 256 * 256, "extra_body": {"true_cfg_scale": 2.0}}
    assert (serving.fingerprint(), [*serving.other_fingerprints()]) == ({"model": QWEN, **asked}, [])


def run(tmp_path, serving, photo, number):
    rows = write_rows(tmp_path / "rows.jsonl", [{"images": [photo], "conversations": f"e{k}"} for k in range(number)])
    summary = PromptedImageEditGenerator(serving).run(FileStorage(str(rows), str(tmp_path / "cache")).step())
    (meta,) = (tmp_path / "cache").glob("*.meta.json")
    return summary.requests, summary.reused, json.loads(meta.read_bytes())["workers"]["editor"]


def test_what_is_added_is_in_ids_and_in_the_record_and_what_was_made_needs_no_server(tmp_path, serve, photo):
    before = {"model": QWEN, "extra_body": {}}
    added = {"negative_prompt": " ", "true_cfg_scale": 4.0, "pixels": 1024 * 1024}
    with EngineServer(engines.PLAIN) as server:
        first = run(tmp_path, serve(server, api_format="images"), photo, 2)
    assert first == (2, 0, {"fingerprint": before})
    with EngineServer(engines.VLLM_OMNI) as server:
        second = run(tmp_path, serve(server), photo, 3)
        assert [drawn.cfg for drawn in server.drawn] == [4.0]
    assert second == (1, 2, {"fingerprint": {**before, **added}, "other_fingerprints": [before]})
    requests, reused, _ = run(tmp_path, serve(server), photo, 3)  # nobody answers there any more
    assert (requests, reused) == (0, 3)


def test_a_server_that_only_draws_is_not_asked_again_for_what_it_drew(tmp_path, serve):
    class DrawsOnly(EngineServer):
        def _get(self, path):
            if path != "/openapi.json":
                return super()._get(path)
            described = engines.description(self.engine)
            del described["paths"]["/v1/images/edits"]
            return web.json_response(described)

    def draw_all():
        operator = PromptedImageGenerator(serve(server))
        step = prompts_storage(tmp_path, "abc").step()
        return operator.run(step, input_conversation_key="prompt", output_image_key="made").requests

    with DrawsOnly(engines.SGLANG) as server:
        assert [draw_all(), draw_all(), draw_all()] == [3, 0, 0]
    assert draw_all() == 0  # nobody answers there any more


@pytest.mark.parametrize(
    ("steps", "scale"), [(8, None), ("8", None), (" 8.0 ", None), ("40", 4.0), (True, 4.0), ("few", 4.0), (None, 4.0)]
)
def test_few_steps_are_drawn_without_guidance_also_where_they_are_a_text(steps, scale):
    fields = frozenset({"negative_prompt", "true_cfg_scale"})
    facts = ServerFacts((ListedModel(QWEN, owner="vllm"),), fields, software="vLLM-Omni")
    asked = profile(facts, QWEN, {"num_inference_steps": steps})
    assert asked.edit_fields.get("true_cfg_scale") == scale


@pytest.mark.parametrize(
    ("root", "scale"),
    [
        ("/mnt/turbo/distillation/2steps/Qwen-Image-Edit-2511", 4.0),
        ("/hub/models--x--Qwen-Image-Edit-Rapid/snapshots/6f3c", None),
        ("/models/Qwen-Image-Edit-Lightning/", None),
    ],
)
def test_the_name_of_a_model_tells_that_it_is_distilled_and_no_folder_above_it(root, scale):
    listed = (ListedModel("editor", root=root, owner="vllm"),)
    fields = frozenset({"negative_prompt", "true_cfg_scale"})
    found = profile(ServerFacts(listed, fields, software="vLLM-Omni"), "editor", {})
    assert found.edit_fields.get("true_cfg_scale") == scale


def test_the_model_behind_a_name_of_its_own_is_known_by_its_root():
    listed = (ListedModel("editor", root=f"/models/{QWEN}", owner="vllm"),)
    fields = frozenset({"negative_prompt", "true_cfg_scale", "mask_image", "output_format"})
    found = profile(ServerFacts(listed, fields, software="vLLM-Omni"), "editor", {})
    assert (found.edit_fields["true_cfg_scale"], found.most_inputs) == (4.0, 4)
    assert found.mask_names == ("mask", "mask_image")


@pytest.mark.parametrize(("engines_there", "minutes"), [(1, 20), (2, 10)])
def test_a_dry_run_counts_one_edit_at_a_time_for_each_engine(engines_there, minutes, serve, tmp_path):
    draw(tmp_path / "in.png")
    rows = write_rows(tmp_path / "rows.jsonl", [{"images": ["in.png"], "prompt": f"p{n}"} for n in range(100)])
    prices = tmp_path / "prices.yaml"
    prices.write_text(f"currency: EUR\nmodels: {{{QWEN}: {{image: 0.04}}}}\n")
    with EngineServer(engines.SGLANG) as one, EngineServer(engines.SGLANG) as other:
        serving = serve(one, api_url=[one.url, other.url][:engines_there])
        storage = FileStorage(rows, tmp_path / "cache", dry_run=True, prices=prices)
        summary = PromptedImageEditGenerator(serving).run(
            storage.step(), input_image_key="images", input_conversation_key="prompt"
        )
        assert one.requests == other.requests == 0
    assert summary.estimate.seconds == minutes * 60
    assert "4.00 EUR" in str(summary)


def test_a_dry_run_asks_a_free_server_for_the_model_too(serve, tmp_path):
    with EngineServer(engines.VLLM_OMNI) as server:
        storage = prompts_storage(tmp_path, "ab", dry_run=True, prices={"qwen": {"free": True}})
        with pytest.raises(ConfigError, match=f"serves {QWEN}, and not qwen"):
            PromptedImageGenerator(serve(server, model_name="qwen")).run(
                storage.step(), input_conversation_key="prompt", output_image_key="made"
            )
