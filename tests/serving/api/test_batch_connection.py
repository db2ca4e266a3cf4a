"""What batch files need of a serving's settings, and how their answers are told from others."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.io import ImageIO
from dataflow.serving.api_image_gen_serving import APIImageGenServing
from dataflow.serving.dialects import Format
from tests.chaos.checks import check_rows, write_prompts
from tests.kit.batch_edits import edit, records_left
from tests.kit.flow import journal_entries
from tests.kit.loopback_batches import BatchServer

FORMATS: list[Format] = ["images", "chat", "responses", "gemini"]


@pytest.mark.parametrize("api_format", FORMATS)
def test_edits_come_back_from_one_batch_and_leave_no_record(tmp_path: Path, api_format: Format) -> None:
    prompts = write_prompts(tmp_path, 6)
    with BatchServer() as server:
        summary = edit(server.url, tmp_path, api_format)
        assert (summary.rows, summary.failed, summary.requests) == (6, 0, 6)
        assert len(server.batches) == 1
        assert set(server.submitted.values()) == {1}
    check_rows(tmp_path, prompts)
    assert records_left(tmp_path) == []
    answers = [line for line in journal_entries(tmp_path / "cache") if line["t"] == "got"]
    assert [line["usage"]["batch"] for line in answers] == [1.0] * 6, "told apart from answers that came alone"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"image_io": None}, "image_io"),
        ({"send_request_stream": True}, "stream"),
        ({"api_url": "http://127.0.0.1:1,http://127.0.0.1:2"}, "one api_url"),
        ({"api_url": "https://openrouter.ai/api/v1", "api_key": "key"}, "OpenRouter"),
    ],
)
def test_settings_that_no_batch_can_meet_are_refused_before_anything_is_sent(
    tmp_path: Path, settings: dict[str, object], reason: str
) -> None:
    given = {"api_url": "http://127.0.0.1:1", "image_io": ImageIO(str(tmp_path)), "model_name": "m", **settings}
    serving = APIImageGenServing(batch=True, **given)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=reason):
        serving.prepare()
