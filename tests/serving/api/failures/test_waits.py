import math

import pytest

from dataflow.serving.api.failures.waits import MAX_WAIT, requested_wait, stated_rate

NOW = 1_000_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Sun, 09 Sep 2001 01:47:00 GMT"}, 20),
        ({"retry-after": "2001-09-09T01:47:00Z"}, 20),
        ({"retry-after": "Sun, 09 Sep 2001 01:40:00 GMT"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "99999999"}, MAX_WAIT),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"llm_provider-retry-after": "9"}, 9),
        ({"retry-after": "2", "retry-after-ms": "2500"}, 2.5),
        ({"x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, 360),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "12"}, 0),
        ({"x-ratelimit-reset": "1000000012000"}, 12),
        ({"retry-after": "1", "x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, 1),
    ],
)
def test_headers(headers, seconds):
    assert requested_wait(headers, "", now=NOW, limited=True) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 1.2s.", 1.2),
        ("try again in 20ms", 0.02),
        ("Please retry in 37.5s.", 37.5),
        ("try again in 1m30s", 90),
        ("retry in 1h2m3s", 3723),
        ("Please retry after 6 seconds.", 6),
        ("try again in 1 minute 5 seconds", 65),
        ('{"@type": "RetryInfo", "retryDelay": "37s"}', 37),
        ("I would try again in spring", 0),
    ],
)
def test_text(text, seconds):
    assert requested_wait({}, text, now=NOW, limited=True) == pytest.approx(seconds)


def test_the_reset_of_a_limit_means_nothing_unless_it_was_hit():
    assert requested_wait({"x-ratelimit-reset-requests": "1s"}, "", now=NOW, limited=False) == 0


@pytest.mark.parametrize(
    ("headers", "a_minute"),
    [
        ({}, math.inf),
        ({"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499"}, 500),
        ({"llm_provider-x-ratelimit-limit-requests": "60"}, 60),
        ({"x-ratelimit-limit-requests": "14400", "x-ratelimit-limit-requests-minute": "30"}, 30),
        ({"anthropic-ratelimit-requests-limit": "50"}, 50),
        ({"x-ratelimit-limit-requests": "0"}, math.inf),
        ({"x-ratelimit-limit-requests": "plenty", "x-ratelimit-limit-tokens": "9"}, math.inf),
    ],
)
def test_what_a_server_says_it_allows_a_minute(headers, a_minute):
    assert stated_rate(headers) == a_minute
