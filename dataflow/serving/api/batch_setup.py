"""From a serving's settings to its desk of batches, and what must be right before."""

import asyncio
import os
from collections.abc import Callable

from dataflow.errors import ConfigError
from dataflow.serving.api.batches.contract import BatchApi, Rhythm
from dataflow.serving.api.batches.creating import Surroundings
from dataflow.serving.api.batches.desk import BatchDesk
from dataflow.serving.api.batches.gemini import GeminiBatches
from dataflow.serving.api.batches.openai import OpenAIBatches
from dataflow.serving.api.batches.records import Records
from dataflow.serving.api.batches.transport import Transport
from dataflow.serving.api.failures.attempts import Asked
from dataflow.serving.api.providers import OPENROUTER, provider_of
from dataflow.serving.api.settings import ApiSettings, host_of
from dataflow.serving.api.wire import Wire

IN_BATCHES = 50_000  # requests that may wait for their batches
# A round takes hours, so it should be long; a row that waits takes 12 KB (measured 2026-11-23).
ROWS_AT_ONCE = 30_000


def check_batches(settings: ApiSettings) -> None:
    """Refuse settings under which nothing could come of a batch, before anything is sent.

    Raises:
        ConfigError: says which, and what to do.
    """
    if settings.image_io is None:
        raise ConfigError("batch=True keeps its records beside the pictures: give image_io=ImageIO(save_path=...)")
    if settings.stream:
        raise ConfigError("batch=True has nothing to stream: leave out send_request_stream")
    if len(settings.each()) > 1:
        raise ConfigError("batch=True works at one address: give one api_url")
    if provider_of(host_of(settings.read_address())) is OPENROUTER:
        raise ConfigError(
            "the batches of OpenRouter take no pictures as data: ask OpenAI or Google, or leave out batch"
        )


async def open_desk(settings: ApiSettings, wire: Wire, asked: Callable[[str], Asked], rhythm: Rhythm) -> BatchDesk:
    """The desk of a serving with these settings; learns what earlier runs left at the provider.

    Args:
        settings: of the serving.
        wire: how its address is asked.
        asked: what is asked at a path, for the words of errors.
        rhythm: how often things happen.

    Raises:
        ConfigError: a record of an earlier run cannot be read.
    """
    assert settings.image_io is not None
    address = settings.read_address()
    owner = {"address": address, "format": wire.format, "model": settings.model}
    transport = await asyncio.to_thread(Transport, address, _headers(settings, wire), asked)
    api: BatchApi = GeminiBatches(transport) if wire.format == "gemini" else OpenAIBatches(transport)
    records = Records(settings.image_io.save_path, owner)
    desk = BatchDesk(Surroundings(api, records, rhythm, asked("/batches")), transport, settings.read_key())
    try:
        await desk.open()
    except BaseException:
        await desk.close()
        raise
    return desk


def _headers(settings: ApiSettings, wire: Wire) -> dict[str, str]:
    key = settings.read_key() or "none"
    headers = {wire.key_header: key} if wire.key_header else {"Authorization": f"Bearer {key}"}
    if wire.provider.openai_account:
        for name, variable in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
            if told := os.environ.get(variable):
                headers[name] = told
    return headers
