"""What servers of one's own turn out to be before the first request, and what is told of it."""

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
from dataflow.serving.api.probe import PATIENCE, SECONDS, ServerFacts, ask_all, probe
from dataflow.serving.api.providers import DEFAULT, Provider
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import NO_PROFILES, Wire, count_engines, wires_of

log = logging.getLogger(__name__)

_OF_ENGINES = (None, "images", "chat")  # formats that engines of one's own speak
_WANTED = '{"negative_prompt": " ", "true_cfg_scale": 4.0, "output_format": "png"}'
_START_UP = 600.0  # in which an engine has loaded its weights


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long servers of one's own are asked what they are, in seconds.

    Args:
        first: in which one must say it.
        slow: in which one must that took a connection and did not answer in time.
        start_up: in which one comes up.
        look: between two looks whether it has.
    """

    first: float = SECONDS
    slow: float = PATIENCE
    start_up: float = _START_UP
    look: float = 1.0


class Discovery:
    """Asks the addresses of one serving what they are.

    Attributes:
        profiles: address → what a server of one's own turned out to be.
        silent: addresses that were asked what they are, where none said it.
    """

    def __init__(self) -> None:
        self.profiles: Mapping[str, Provider] = NO_PROFILES
        self.silent: Sequence[str] = ()
        self._patience = Patience()
        self._editing: Sequence[str] = ()  # addresses that may edit
        self._unmet: dict[str, asyncio.Lock] = {}  # addresses of a fleet that are asked when they come up
        self._warned: set[str] = set()

    @property
    def draws_one_edit_at_a_time(self) -> bool:
        """Whether engines do, or what is not up yet may be one, whatever their queues hold."""
        return bool(self._unmet) or any(each.edit_pixels for each in self.profiles.values())

    def find_out(self, wires: tuple[Wire, ...], patience: Patience, *, waits: bool = True) -> tuple[Wire, ...]:
        """How the addresses are asked once servers of one's own have said what they are.

        Args:
            wires: how they are asked without that.
            patience: how long it may take.
            waits: for servers that are not up yet, or busy; else it is told.

        Raises:
            ConfigError: no server of one's own came up, or said what it is; they would draw the same edit otherwise, or
                do not serve the model.
        """
        settings, self._patience = wires[0].settings, patience
        asked = {wire.address: wire.headers() for wire in wires if wire.provider == DEFAULT}
        if not asked or not _decides(settings) or not count_engines(wires):
            return wires
        own = {wire.address for wire in wires if wire.is_own_server}
        found = probe(asked, timeout=self._patience.first)
        late = {address: headers for address, headers in asked.items() if address in own and found[address].late}
        if late and waits:  # busy, or just started: what it draws for want of an answer would count in every later run
            found |= probe(late, timeout=self._patience.slow)
        if all(_is_open(facts, settings) for facts in found.values()):
            if waits:
                self._wait_for(asked, found, settings)
            else:
                log.warning("%s: a run waits for it, %s at most", _troubles(found), duration(self._patience.start_up))
        open_ = [address for address, facts in found.items() if _is_open(facts, settings)]
        self._unmet = {address: asyncio.Lock() for address in open_}
        self.profiles = profiles(found, settings.model, settings.extra_body)
        self._editing = [each for each, facts in found.items() if facts.may_edit]
        self.silent = [] if self.profiles else [*found]
        wires = wires_of(settings, self.profiles)
        self._check_alike(settings)
        _check_served(wires, found)
        self._tell_of_family(settings, found)
        if not any(facts.says_how for facts in found.values()):
            for wire in wires:
                self._tell(wire, found.get(wire.address, ServerFacts()))
        return wires

    def _wait_for(
        self, asked: Mapping[str, Mapping[str, str]], found: dict[str, ServerFacts], settings: ApiSettings
    ) -> None:
        """Wait until one of several servers says what it is: a fleet goes on without the others.

        Args:
            asked: address → the headers that carry its key.
            found: what each said, which is renewed.
            settings: of the serving.

        Raises:
            ConfigError: none does in time.
        """
        until = time.monotonic() + self._patience.start_up
        if self._patience.start_up:
            log.warning("%s: waiting until it is up, %s at most", _troubles(found), duration(self._patience.start_up))
        while time.monotonic() < until:
            time.sleep(self._patience.look)
            found |= probe(asked, timeout=self._patience.slow)
            if settled := [address for address, facts in found.items() if not _is_open(facts, settings)]:
                log.warning("%s is up", " and ".join(settled))
                return
        raise ConfigError(
            f"{_troubles(found)}: is api_url right, is the server up? It must say what it is before it is asked for"
            ' pictures; where it cannot, give api_format="chat" or "images"'
        )

    async def meet(self, connection: Connection) -> Outcome | None:
        """Ask an address of a fleet what it is that was not up when the others said it.

        Returns:
            What becomes of a request for it: None, that it is asked there.
        """
        address, settings = connection.wire.address, connection.wire.settings
        if (lock := self._unmet.get(address)) is None:
            return None
        async with lock:
            if address not in self._unmet:
                return None
            found = await ask_all({address: connection.wire.headers()}, timeout=self._patience.slow)
            facts = found[address]
            if _is_open(facts, settings):
                away = Attempt("unconnected", text=_trouble(facts))
                return Answer(error=classify(away, connection.wire.target(""))), False
            if facts.is_known:
                self.profiles = {**self.profiles, address: profile(facts, settings.model, settings.extra_body)}
            try:
                wires = {wire.address: wire for wire in wires_of(settings, self.profiles)}
                self._check_alike(settings)
            except ConfigError as error:
                return Answer(error=Failure("fatal", str(error))), None
            await connection.change_wire(wires[address])
            del self._unmet[address]
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
            asked = self.profiles[address].edits_ask(settings.extra_body)
            ways.setdefault(", ".join(f"{name}={value!r}" for name, value in asked.items()) or "nothing", address)
        if len(ways) > 1:
            shown = " and ".join(f"{address} {asked}" for asked, address in ways.items())
            raise ConfigError(
                f"the addresses of api_url are engines of different kinds or versions, which are asked for an edit"
                f" otherwise (beside prompt and pictures, {shown}), so that their edits would differ and count as one:"
                " give each kind a serving of its own, or set these fields and `size` for all in extra_body; what only"
                ' draws from text is APIImageGenServing with Image_gen_task="text2image"'
            )

    def _tell_of_family(self, settings: ApiSettings, found: Mapping[str, ServerFacts]) -> None:
        """Tell once that guidance may be missing, since nothing tells what the model is."""
        for address, facts in found.items():
            unknown = settings.task != "text2image" and hides_family(facts, settings.model, settings.extra_body)
            if unknown and address not in self._warned:
                self._warned.add(address)
                log.warning(
                    "neither model_name=%r nor %s tells a family of models: edits go without negative prompt and"
                    " guidance; if it is Qwen-Image-Edit, give extra_body=%s",
                    settings.model, address, _WANTED,
                )  # fmt: skip

    def _tell(self, wire: Wire, facts: ServerFacts) -> None:
        """Tell once what follows where nothing shows how a server of one's own draws."""
        if wire.address in self._warned or not wire.is_own_server:
            return
        if facts.late:
            self._warned.add(wire.address)
            log.warning(
                "%s did not say within %g s what it is: it is asked over the %s API, without the guidance and the size"
                " that its engine may want, and such answers count in later runs; run again once it is quicker, or give"
                " guidance in extra_body=",
                wire.address, self._patience.first + self._patience.slow, wire.dialect.name,
            )  # fmt: skip
        elif facts.hides and wire.settings.dialect is None and known_model(wire.settings.model) is None:
            self._warned.add(wire.address)
            log.warning(
                "%s has no /openapi.json, which would say how it draws (a proxy may keep it back): it is asked over the"
                " %s API, without negative prompt, guidance, size and PNG, and such answers count in later runs. For an"
                ' engine give api_format="images", and in extra_body= the fields that it wants, such as %s for'
                ' Qwen-Image-Edit; where the chat is right, api_format="chat"',
                wire.address, wire.dialect.name, _WANTED,
            )  # fmt: skip


def _decides(settings: ApiSettings) -> bool:
    """Whether what a server is makes a difference to how it is asked."""
    pictures = settings.image_io is not None and not settings.batch
    return pictures and settings.provider is None and settings.dialect in _OF_ENGINES


def _is_open(facts: ServerFacts, settings: ApiSettings) -> bool:
    """Whether a server must be asked once more before it is asked for pictures: no format follows from its silence.

    One that is up and says nothing is asked in the format that the user names.
    """
    return not facts.is_settled and (facts.away or settings.dialect is None)


def _trouble(facts: ServerFacts) -> str:
    return "takes no connection" if facts.away else "does not say what it is"


def _troubles(found: Mapping[str, ServerFacts]) -> str:
    return " and ".join(f"{address} {_trouble(facts)}" for address, facts in found.items())


def _check_served(wires: Sequence[Wire], found: Mapping[str, ServerFacts]) -> None:
    """Refuse a name that every engine would: vLLM-Omni draws by its images API for that of its model alone.

    Raises:
        ConfigError: so it is.
    """
    model, served = wires[0].settings.model, dict[str, frozenset[str]]()
    for wire in wires:
        facts = found.get(wire.address, ServerFacts())
        if facts.software != "vLLM-Omni" or wire.dialect.name != "images" or model in (facts.names or (model,)):
            return
        served[wire.address] = facts.names or frozenset()
    shown = " and ".join(f"{address} serves {', '.join(sorted(names))}" for address, names in served.items())
    raise ConfigError(f"{shown}, and not {model}: name it in model_name=, or with --model in a pipeline")
