"""Half of all requests fail, each in its own way; every row ends as its picture or with a reason."""

from dataflow.core.retry import RetryPolicy
from dataflow.io import ImageIO
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from tests.kit.faults import ACTS, Faults, draw_rows
from tests.kit.loopback import LoopbackServer


class Impatient(APIVLMServing_openai):
    """Waits a hundredth of what is usual."""

    retry = RetryPolicy(retries=8, base=0.01)


def test_every_row_ends_as_its_picture_or_with_a_reason_and_every_request_is_accounted_for(tmp_path):
    rows = 200
    with LoopbackServer(act_for=Faults(), size=(24, 24), remember=False) as server:
        serving = Impatient(
            server.url, model_name="nano", image_io=ImageIO(str(tmp_path / "made")), send_request_stream=True
        )
        outcome = draw_rows(tmp_path, serving, rows)
        faults = server.act_for.injected
    assert set(faults) == set(ACTS)
    assert outcome.pictures + outcome.given_up.total() == rows
    assert server.requests == outcome.summary.requests == rows + faults.total() - outcome.given_up.total()
    assert outcome.summary.maybe_paid == faults["reset"] + faults["truncated"]
