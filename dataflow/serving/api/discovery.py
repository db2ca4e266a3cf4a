"""Asks servers of one's own, before the first request, what they are, and warns where an answer is missing."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.core.records import Answer
from dataflow.core.words import duration
from dataflow.errors import ConfigError, Failure
from dataflow.serving.api.connection import Connection
from dataflow.serving.api.failures.attempts import Attempt
from dataflow.serving.api.failures.classify import classify
from dataflow.serving.api.fleet import Outcome
from dataflow.serving.api.models import known_model
from dataflow.serving.api.own_server import hides_family, profile, profiles
from dataflow.serving.api.probe import SECONDS, SLOW_SECONDS, ServerFacts, ask_all, probe
from dataflow.serving.api.providers import DEFAULT, Provider
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import NO_PROFILES, Wire, count_engines, wires_of

log = logging.getLogger(__name__)

_ENGINE_DIALECTS = (None, "images", "chat")  # the user's choices with which an engine of one's own may be asked
_SUGGESTED_FIELDS = '{"negative_prompt": " ", "true_cfg_scale": 4.0, "output_format": "png"}'
_START_UP = 600.0  # seconds in which an engine loads its weights


@dataclass(frozen=True, slots=True)
class Patience:
    """Times for asking servers of one's own what they are, in seconds.

    Args:
        first: for each GET of the first try.
        slow: for each GET to a server that took a connection and did not answer in time.
        start_up: in which a server must come up.
        poll: between two tries whether it has come up.
    """

    first: float = SECONDS
    slow: float = SLOW_SECONDS
    start_up: float = _START_UP
    poll: float = 1.0


class Discovery:
    """Asks the addresses of one serving what they are.

    Attributes:
        profiles: address → what the server there said of itself, as a provider.
        silent: the addresses that were asked, where none of them said what it is; else empty.
    """

    def __init__(self) -> None:
        self.profiles: Mapping[str, Provider] = NO_PROFILES
        self.silent: Sequence[str] = ()
        self._patience = Patience()
        self._editing: Sequence[str] = ()  # addresses that may edit
        self._unidentified: dict[str, asyncio.Lock] = {}  # addresses of a fleet that are asked when they come up
        self._warned: set[str] = set()  # addresses that a warning has named

    @property
    def draws_one_edit_at_a_time(self) -> bool:
        """Whether the servers may be engines that draw one edit at a time, however many wait in their queues."""
        return bool(self._unidentified) or any(provider.edit_pixels for provider in self.profiles.values())

    def find_out(self, wires: tuple[Wire, ...], patience: Patience, *, waits: bool = True) -> tuple[Wire, ...]:
        """Ask servers of one's own what they are; returns the wires by which they are asked from then on.

        Args:
            wires: by which the addresses would be asked otherwise, one for each.
            patience: how long it may take.
            waits: whether to wait for servers that are busy or not up yet; False: a warning names them.

        Raises:
            ConfigError: no server of one's own came up, or none said what it is; or their edits would differ; or they
                do not serve the model.
        """
        settings, self._patience = wires[0].settings, patience
        servers = {wire.address: wire.headers() for wire in wires if wire.provider == DEFAULT}
        if not servers or not _decides(settings) or not count_engines(wires):
            return wires
        own = {wire.address for wire in wires if wire.is_own_server}
        found = probe(servers, timeout=self._patience.first)
        late = {address: headers for address, headers in servers.items() if address in own and found[address].is_late}
        # Such a server is busy, or has just started. What it drew before it said how would count in every later run.
        if late and waits:
            found |= probe(late, timeout=self._patience.slow)
        if all(_is_open(facts, settings) for facts in found.values()):
            if waits:
                self._wait_for(servers, found, settings)
            else:
                log.warning("%s: a run waits for it, %s at most", _troubles(found), duration(self._patience.start_up))
        self._unidentified = {address: asyncio.Lock() for address, facts in found.items() if _is_open(facts, settings)}
        self.profiles = profiles(found, settings.model, settings.extra_body)
        self._editing = [address for address, facts in found.items() if facts.may_edit]
        self.silent = [] if self.profiles else [*found]
        wires = wires_of(settings, self.profiles)
        self._check_alike(settings)
        _check_served(wires, found)
        self._warn_of_family(settings, found)
        if not any(facts.is_complete for facts in found.values()):
            for wire in wires:
                self._warn_of_silence(wire, found.get(wire.address, ServerFacts()))
        return wires

    def _wait_for(
        self, servers: Mapping[str, Mapping[str, str]], found: dict[str, ServerFacts], settings: ApiSettings
    ) -> None:
        """Wait until one of several servers says what it is: a fleet begins without the ones that are not up.

        Args:
            servers: address → the headers of requests to it, the key's among them.
            found: address → what the server said; later replies replace earlier ones.
            settings: of the serving.

        Raises:
            ConfigError: no server says what it is in time.
        """
        until = time.monotonic() + self._patience.start_up
        if self._patience.start_up:
            log.warning("%s: waiting until it is up, %s at most", _troubles(found), duration(self._patience.start_up))
        while time.monotonic() < until:
            time.sleep(self._patience.poll)
            found |= probe(servers, timeout=self._patience.slow)
            if settled := [address for address, facts in found.items() if not _is_open(facts, settings)]:
                log.warning("%s is up", " and ".join(settled))
                return
        raise ConfigError(
            f"{_troubles(found)}: is api_url right, is the server up? It must say what it is before it is asked for"
            ' pictures; where it cannot, give api_format="chat" or "images"'
        )

    async def identify(self, connection: Connection) -> Outcome | None:
        """Ask an address of a fleet what it is, if it was not up when the other addresses said it.

        Args:
            connection: to the address; it changes its wire to what the address says.

        Returns:
            None: requests may go to the address. Else the failure of a request that was meant for it.
        """
        address, settings = connection.wire.address, connection.wire.settings
        if (lock := self._unidentified.get(address)) is None:
            return None
        async with lock:
            if address not in self._unidentified:
                return None
            found = await ask_all({address: connection.wire.headers()}, timeout=self._patience.slow)
            facts = found[address]
            if _is_open(facts, settings):
                unconnected = Attempt("unconnected", text=_trouble(facts))
                return Answer(error=classify(unconnected, connection.wire.target(""))), False
            if facts.is_known:
                self.profiles = {**self.profiles, address: profile(facts, settings.model, settings.extra_body)}
            try:
                wires = {wire.address: wire for wire in wires_of(settings, self.profiles)}
                self._check_alike(settings)
            except ConfigError as error:
                return Answer(error=Failure("fatal", str(error))), None
            await connection.change_wire(wires[address])
            del self._unidentified[address]
        return None

    def _check_alike(self, settings: ApiSettings) -> None:
        """Refuse addresses whose edits would differ, since answers count whichever address gave them.

        Raises:
            ConfigError: so it is.
        """
        if settings.task == "text2image":
            return
        ways: dict[str, str] = {}
        for address in filter(self.profiles.get, self._editing):
            added = self.profiles[address].edits_ask(settings.extra_body)
            ways.setdefault(", ".join(f"{name}={value!r}" for name, value in added.items()) or "nothing", address)
        if len(ways) > 1:
            shown = " and ".join(f"{address} {added}" for added, address in ways.items())
            raise ConfigError(
                f"the addresses of api_url are engines of different kinds or versions, which are asked for an edit"
                f" otherwise (beside prompt and pictures, {shown}), so that their edits would differ and count as one:"
                " give each kind a serving of its own, or set these fields and `size` for all in extra_body; what only"
                ' draws from text is APIImageGenServing with Image_gen_task="text2image"'
            )

    def _warn_of_family(self, settings: ApiSettings, found: Mapping[str, ServerFacts]) -> None:
        """Warn once that edits may lack guidance, since no name says of which family the model is."""
        for address, facts in found.items():
            unknown = settings.task != "text2image" and hides_family(facts, settings.model, settings.extra_body)
            if unknown and address not in self._warned:
                self._warned.add(address)
                log.warning(
                    "neither model_name=%r nor %s tells a family of models: edits go without negative prompt and"
                    " guidance; if it is Qwen-Image-Edit, give extra_body=%s",
                    settings.model, address, _SUGGESTED_FIELDS,
                )  # fmt: skip

    def _warn_of_silence(self, wire: Wire, facts: ServerFacts) -> None:
        """Warn once in what way a server of one's own is asked that does not say how it draws."""
        if wire.address in self._warned or not wire.is_own_server:
            return
        if facts.is_late:
            self._warned.add(wire.address)
            log.warning(
                "%s did not say within %g s what it is: it is asked over the %s API, without the guidance and the size"
                " that its engine may want, and such answers count in later runs; run again once it is quicker, or give"
                " guidance in extra_body=",
                wire.address, self._patience.first + self._patience.slow, wire.dialect.name,
            )  # fmt: skip
        elif facts.is_undescribed and wire.settings.dialect is None and known_model(wire.settings.model) is None:
            self._warned.add(wire.address)
            log.warning(
                "%s has no /openapi.json, which would say how it draws (a proxy may keep it back): it is asked over the"
                " %s API, without negative prompt, guidance, size and PNG, and such answers count in later runs. For an"
                ' engine give api_format="images", and in extra_body= the fields that it wants, such as %s for'
                ' Qwen-Image-Edit; where the chat is right, api_format="chat"',
                wire.address, wire.dialect.name, _SUGGESTED_FIELDS,
            )  # fmt: skip


def _decides(settings: ApiSettings) -> bool:
    """Whether the form of requests depends on what the server is: not for texts, nor where the user decides."""
    pictures = settings.image_io is not None and not settings.batch
    return pictures and settings.provider is None and settings.dialect in _ENGINE_DIALECTS


def _is_open(facts: ServerFacts, settings: ApiSettings) -> bool:
    """Whether a server must be asked again what it is before it gets a request, since no wire format is known.

    A server that is up and says nothing gets requests at once where the user names the format.
    """
    return not facts.is_final and (facts.is_unreachable or settings.dialect is None)


def _trouble(facts: ServerFacts) -> str:
    return "takes no connection" if facts.is_unreachable else "does not say what it is"


def _troubles(found: Mapping[str, ServerFacts]) -> str:
    return " and ".join(f"{address} {_trouble(facts)}" for address, facts in found.items())


def _check_served(wires: Sequence[Wire], found: Mapping[str, ServerFacts]) -> None:
    """Refuse a model's name that every server would refuse: vLLM-Omni draws for the name of its own model alone.

    Raises:
        ConfigError: no server has a model of this name.
    """
    model, served = wires[0].settings.model, dict[str, frozenset[str]]()
    for wire in wires:
        facts = found.get(wire.address, ServerFacts())
        if facts.software != "vLLM-Omni" or wire.dialect.name != "images" or model in (facts.names or (model,)):
            return
        served[wire.address] = facts.names or frozenset()
    shown = " and ".join(f"{address} serves {', '.join(sorted(names))}" for address, names in served.items())
    raise ConfigError(f"{shown}, and not {model}: name it in model_name=, or with --model in a pipeline")
