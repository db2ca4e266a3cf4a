"""Pictures out of batch files, in both providers' formats, and what goes wrong in them."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.errors import FatalAnswer
from dataflow.serving.dialects import Format
from tests.chaos.checks import check_rows, write_prompts
from tests.kit.batch_edits import QUICK, edit, records_left
from tests.kit.flow import journal_entries, read_rows
from tests.kit.loopback_batches import BatchServer, Outcome

FORMATS: list[Format] = ["images", "chat", "responses", "gemini"]
BOTH: list[Format] = ["images", "gemini"]
MODERATED = {
    "images": (400, {"error": {"code": "moderation_blocked", "message": "Your request was rejected."}}),
    "gemini": (400, {"code": 3, "message": "blocked: PROHIBITED_CONTENT", "status": "PROHIBITED_CONTENT"}),
}
OVERLOADED = {
    "images": (500, {"error": {"message": "The server had an error."}}),
    "gemini": (500, {"code": 13, "message": "Internal error", "status": "INTERNAL"}),
}


def reasons(folder: Path) -> list[str]:
    return [line["reason"] for line in read_rows(folder / "cache/dataflow_cache_step_step1.errors.jsonl")]


@pytest.mark.parametrize("api_format", BOTH)
def test_requests_that_fail_in_a_batch_mean_what_they_mean_alone(tmp_path: Path, api_format: Format) -> None:
    prompts = write_prompts(tmp_path, 5)

    def outcome(prompt: str, before: int) -> Outcome:
        if prompt == prompts[1]:
            return MODERATED[api_format]
        return OVERLOADED[api_format] if prompt == prompts[3] and not before else None

    with BatchServer(outcome_for=outcome) as server:
        summary = edit(server.url, tmp_path, api_format)
        assert (summary.rows, summary.failed) == (5, 1)
        assert server.prompts == Counter({prompt: 2 if prompt == prompts[3] else 1 for prompt in prompts})
        edit(server.url, tmp_path, api_format)
        assert server.prompts[prompts[1]] == 1, "what was refused is not asked again"
    assert "content policy" in reasons(tmp_path)[0]
    (refused,) = [line for line in journal_entries(tmp_path / "cache") if line.get("class") == "refused"]
    assert refused["t"] == "fail"


@pytest.mark.parametrize("api_format", BOTH)
def test_rows_of_an_expired_batch_go_back_to_the_queue_and_keep_their_retries(
    tmp_path: Path, api_format: Format
) -> None:
    prompts = write_prompts(tmp_path, 4)

    def outcome(prompt: str, before: int) -> Outcome:
        if prompt == prompts[0] and before < 5:
            return "expired"
        return OVERLOADED[api_format] if prompt == prompts[0] and before < 8 else None

    with BatchServer(looks=0, outcome_for=outcome) as server:
        assert edit(server.url, tmp_path, api_format).failed == 0
        assert server.prompts[prompts[0]] == 9
        assert server.prompts[prompts[1]] == 1
    check_rows(tmp_path, prompts)


def test_a_row_whose_batches_always_expire_fails_at_last_and_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 2)
    expire = True
    with BatchServer(
        looks=0, outcome_for=lambda prompt, _: "expired" if expire and prompt == prompts[0] else None
    ) as s:
        assert edit(s.url, tmp_path).failed == 1
        assert "ended before its turn (expired)" in reasons(tmp_path)[0]
        assert s.prompts[prompts[0]] == 7
        expire = False
        assert edit(s.url, tmp_path).failed == 0
        assert s.prompts[prompts[1]] == 1
    check_rows(tmp_path, prompts)


def test_a_batch_that_is_refused_whole_stops_the_run_with_the_providers_reason(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    refused = {"code": "model_not_batchable", "message": "Model loopback is not supported in batches.", "line": None}
    with BatchServer(failures=[[refused]]) as server:
        with pytest.raises(FatalAnswer, match=r"refused a whole batch of 3 requests.*loopback is not supported"):
            edit(server.url, tmp_path)
        assert records_left(tmp_path) == []
        assert edit(server.url, tmp_path).failed == 0
    check_rows(tmp_path, prompts)


def test_an_upload_that_is_given_up_counts_no_request_as_perhaps_paid(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    hasty = replace(QUICK, give_up=-1.0)
    with BatchServer(lose=["upload"]) as server:
        with pytest.raises(FatalAnswer, match=r"may have been paid; given up after"):
            edit(server.url, tmp_path, intervals=hasty)
        failed = [entry for entry in journal_entries(tmp_path / "cache") if entry["t"] == "fail"]
        assert len(failed) == 3
        assert not any("maybe_paid" in entry for entry in failed)
        assert edit(server.url, tmp_path).failed == 0
    check_rows(tmp_path, prompts)


def test_googles_refusal_of_a_whole_batch_is_understood(tmp_path: Path) -> None:
    write_prompts(tmp_path, 2)
    refused = {"code": 5, "message": "models/loopback is not found", "status": "NOT_FOUND"}
    with BatchServer(failures=[[refused]]) as server, pytest.raises(FatalAnswer, match="loopback"):
        edit(server.url, tmp_path, "gemini")


def test_a_batch_without_room_in_the_queue_is_submitted_again_from_the_same_file(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    full = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached for loopback.", "line": None}
    with BatchServer(failures=[[full], [full]]) as server:
        assert edit(server.url, tmp_path).failed == 0
        assert (server.stages["upload"], server.stages["create"]) == (1, 3)
        assert len({held.tag for held in server.batches.values()}) == 3
    check_rows(tmp_path, prompts)


def test_a_line_that_spoils_its_batch_fails_alone(tmp_path: Path) -> None:
    write_prompts(tmp_path, 4)
    spoilt = {"code": "invalid_request", "message": "This line is too long.", "line": 2}
    with BatchServer(failures=[[spoilt]]) as server:
        assert edit(server.url, tmp_path).failed == 1
        assert len(server.submitted) == 3
    assert "This line is too long" in reasons(tmp_path)[0]


def test_a_wrong_key_stops_the_run_before_anything_is_submitted(tmp_path: Path) -> None:
    write_prompts(tmp_path, 3)
    wrong = (401, {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided"}})
    with BatchServer(refuse={"upload": [wrong]}) as server:
        with pytest.raises(FatalAnswer, match="wants a key, and none is given"):
            edit(server.url, tmp_path)
        assert server.batches == {}


def test_one_wrong_key_while_a_batch_runs_is_not_believed(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    wrong = (401, {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided"}})
    with BatchServer(refuse={"look": [wrong], "download": [wrong]}) as server:
        assert edit(server.url, tmp_path).failed == 0
        assert len(server.batches) == 1
    check_rows(tmp_path, prompts)


def test_a_picture_that_was_deleted_is_drawn_again(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 2)
    with BatchServer() as server:
        edit(server.url, tmp_path)
        row = read_rows(tmp_path / "cache/dataflow_cache_step_step1.jsonl")[0]
        Path(row["edited_images"][0]).unlink()
        summary = edit(server.url, tmp_path)
        assert (summary.requests, summary.lost, summary.failed) == (1, 1, 0)
        assert server.prompts[prompts[0]] == 2
    check_rows(tmp_path, prompts)
