"""Fleets of real servers: balance, a slow one, one that is killed and comes back, all down, sizes in order."""

import logging
import os
import socket
from collections import Counter
from contextlib import suppress
from itertools import groupby

import pytest

from dataflow.core.records import Job, Request
from dataflow.core.retry import RetryPolicy
from dataflow.errors import FatalAnswer
from dataflow.io import ImageIO
from dataflow.pools.executor import call_directly, default_executor
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit.engines import VLLM_OMNI, EngineServer
from tests.kit.flow import Ask, draw, journal_entries, prompts_storage
from tests.kit.loopback import Act, LoopbackServer
from tests.kit.sinks import Notes

NO_EDITS = Act(404, {"detail": "Not Found"})  # what FastAPI says for a path that it has not
EACH = 4


@pytest.fixture
def serving(tmp_path):
    def make(*servers, **options):
        settings = {"model_name": "flux", "image_io": ImageIO(str(tmp_path / "made")), "api_format": "images"}
        urls = [each if isinstance(each, str) else each.url for each in servers]
        made = APIVLMServing_openai(urls, **{**settings, "max_workers": EACH, **options})
        made.retry = RetryPolicy(retries=8, base=0.01, probe=0.05)
        return made

    return make


@pytest.fixture
def picture(tmp_path):
    return lambda name, size=(8, 6): str(draw(tmp_path / "in" / f"{name}.png", size=size))


def requests(count, prefix="p"):
    return [Request(f"{prefix}{n}") for n in range(count)]


def own_port():
    """A free port that no outgoing connection and no other server is given while it is free for a moment."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def errors_of(answers):
    return [answer.error for answer in answers if answer.error is not None]


def test_equal_servers_share_and_none_has_more_than_its_number(serving):
    with LoopbackServer(latency=0.1) as a, LoopbackServer(latency=0.1) as b, LoopbackServer(latency=0.1) as c:
        answers = call_directly(serving(a, b, c), requests(90))
    assert errors_of(answers) == []
    assert all(15 <= server.requests <= 45 for server in (a, b, c))
    assert all(1 < server.peak <= EACH for server in (a, b, c))


def test_a_slow_server_gets_less(serving):
    with LoopbackServer(latency=0.05) as fast, LoopbackServer(latency=0.5) as slow:
        answers = call_directly(serving(fast, slow), requests(80))
    assert errors_of(answers) == []
    assert EACH <= slow.requests <= fast.requests / 2


def test_a_replica_killed_in_mid_run_costs_no_row_and_is_used_again_when_it_is_back(tmp_path, serving):
    def texts(**options):
        return LoopbackServer(latency=0.05, count=0, text="yes", **options)

    def die(asked):
        if mortal.requests < 7:
            return None
        mortal._stop.set()
        return Act(hang=True)

    with texts() as a, texts() as c:
        mortal = texts(act_for=die, port=own_port()).__enter__()
        fleet = serving(a, mortal, c, api_format="chat")
        storage = prompts_storage(tmp_path, [f"p{n}" for n in range(60)])
        summary = Ask(fleet).run(storage.step())
        mortal._thread.join()
        assert (summary.rows, summary.failed) == (60, 0)
        got = [entry for entry in journal_entries(tmp_path / "cache") if entry.get("t") == "got"]
        assert len(got) == len({entry["id"] for entry in got}) == 60
        assert a.requests + c.requests >= 60 - 7 - EACH  # it answers what it has while it stops
        with texts(port=mortal.port) as back:
            more = call_directly(fleet, [Request(f"more {n}", makes="text") for n in range(60)])
        assert errors_of(more) == []
        assert back.requests > 3


def test_an_engine_gets_no_more_than_it_answers_in_time(serving, caplog):
    with LoopbackServer(latency=0.05, at_once=1) as server, caplog.at_level(logging.INFO, "dataflow"):
        alone, notes = serving(server, max_workers=None, timeout=1.2), Notes(80)
        jobs = [Job(f"{n:032x}", request) for n, request in enumerate(requests(80))]
        default_executor().pool(alone).submit(jobs, notes, begun=False)
        notes.wait()
    assert (errors_of(notes.answers.values()), notes.retried, server.requests) == ([], [], 80)
    assert 2 <= server.peak <= 12  # a third of the time-out: eight pictures
    (said,) = [each.getMessage() for each in caplog.records if "each answer" in each.getMessage()]
    assert said.startswith(f"{server.url} takes 0.")
    assert said.endswith("so that each is answered within 0 s; set max_workers (batch_size) to send another number")


def test_no_edit_is_given_up_on_while_a_slow_engine_still_works_on_it(serving, picture):
    seconds, timeout = 1.1, 4.0  # of the first four that wait in one engine's queue, the last would be drawn for nobody
    with EngineServer(VLLM_OMNI, seconds=seconds) as a, EngineServer(VLLM_OMNI, seconds=seconds) as b:
        fleet, notes = serving(a, b, model_name=a.model, max_workers=None, timeout=timeout, api_format=None), Notes(8)
        jobs = [Job(f"{n:032x}", Request(f"e{n}", (picture(n),))) for n in range(8)]
        default_executor().pool(fleet).submit(jobs, notes, begun=False)
        notes.wait()
        assert (errors_of(notes.answers.values()), notes.retried) == ([], [])
        assert len(a.drawn) + len(b.drawn) == 8
        assert max(a.peak, b.peak) == 2


def test_a_server_that_answers_many_at_once_gets_many(serving):
    with LoopbackServer(latency=0.3) as server:
        assert errors_of(call_directly(serving(server, max_workers=None, timeout=6.0), requests(60))) == []
    assert server.peak > 6  # a third of the time-out, answered one by one


def test_a_request_that_one_replica_could_not_take_is_no_retry(serving):
    with LoopbackServer(act_for=lambda asked: Act(503)) as ill, LoopbackServer() as well:
        fleet, notes = serving(ill, "http://127.0.0.1:9/v1", well), Notes(20)
        jobs = [Job(f"{n:032x}", request) for n, request in enumerate(requests(20))]
        default_executor().pool(fleet).submit(jobs, notes, begun=False)
        notes.wait()
    assert (errors_of(notes.answers.values()), notes.retried) == ([], [])


def test_when_all_are_down_the_pool_pauses_and_then_goes_on(serving):
    up: list[bool] = []

    def down(asked):
        if pool.pause:
            up.append(True)
        return None if up else Act(502)

    with LoopbackServer(act_for=down) as a, LoopbackServer(act_for=down) as b:
        fleet, notes = serving(a, b, max_workers=12), Notes(40)
        pool = default_executor().pool(fleet)
        pool.submit([Job(f"{n:032x}", request) for n, request in enumerate(requests(40))], notes, begun=False)
        notes.wait()
    assert up
    assert errors_of(notes.answers.values()) == []
    assert pool.pause == ""


def test_edits_go_to_those_that_have_them(serving, picture, caplog):
    def old(asked):
        return NO_EDITS if asked.path.endswith("/edits") else None

    with LoopbackServer(act_for=old) as a, LoopbackServer() as b:
        fleet = serving(a, b)
        edits = call_directly(fleet, [Request(f"e{n}", (picture(n),)) for n in range(20)])
        drawn = call_directly(fleet, requests(20))
    assert errors_of([*edits, *drawn]) == []
    paths = Counter(asked.path for asked in a.asked)
    assert paths["/v1/images/edits"] < 10 < b.requests
    assert paths["/v1/images/generations"] > 0
    (said,) = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert said.startswith(f"{a.url} is not asked for edits, which go to the other addresses: ")


def test_edits_that_none_has_stop_the_run_with_the_fix(serving, picture):
    with LoopbackServer(act_for=lambda asked: NO_EDITS) as a, LoopbackServer(act_for=lambda asked: NO_EDITS) as b:
        with pytest.raises(FatalAnswer, match=r"has no /images/edits: use api_format=.chat."):
            call_directly(serving(a, b), [Request("e", (picture(0),))])
        assert (a.requests, b.requests) == (1, 1)


def test_a_field_that_one_engine_refuses_is_still_sent_to_the_others(serving):
    with LoopbackServer(refuses=("seed",), latency=0.05) as a, LoopbackServer(latency=0.05) as b:
        assert errors_of(call_directly(serving(a, b), requests(20))) == []
    assert all("seed" in asked.body for asked in b.asked)
    assert "seed" not in a.asked[-1].body


@pytest.mark.parametrize("sized", [False, True])
def test_requests_of_one_size_go_out_together(serving, picture, sized):
    sizes = [(8, 6), (6, 8), (8, 8)]
    asked = [
        Request(f"e{n}", () if sized else (picture(n, sizes[n % 3]),), size=sizes[n % 3] if sized else None)
        for n in range(30)
    ]
    with LoopbackServer() as server:
        assert errors_of(call_directly(serving(server, max_workers=1), asked)) == []
    order = [int(each.prompt[1:]) % 3 for each in server.asked]
    assert [size for size, _ in groupby(order)] == [0, 1, 2]


def test_each_replica_sees_one_size_after_another(serving, picture):
    sizes = [(8, 6), (6, 8), (8, 8)]
    asked = [Request(f"e{n}", (picture(n, sizes[n % 3]),)) for n in range(60)]
    with LoopbackServer(latency=0.02) as a, LoopbackServer(latency=0.02) as b:
        assert errors_of(call_directly(serving(a, b, max_workers=2), asked)) == []
    for server in (a, b):
        order = [int(each.prompt[1:]) % 3 for each in server.asked]
        assert len(list(groupby(order))) <= 7, order  # three, and a few that overtook one another on the way


def test_answers_count_whichever_replica_gave_them(tmp_path, serving):
    storage = prompts_storage(tmp_path, [f"p{n}" for n in range(6)])
    with LoopbackServer(count=0, text="yes") as a, LoopbackServer(count=0, text="yes") as b:
        first = Ask(serving(a, api_format="chat")).run(storage.step())
        again = Ask(serving(b, a, api_format="chat")).run(prompts_storage(tmp_path, ["new", "p1"]).step())
    assert (first.requests, again.requests, a.requests + b.requests) == (6, 1, 7)
