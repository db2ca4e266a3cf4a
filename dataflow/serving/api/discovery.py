"""What servers of one's own turn out to be before the first request, and what is told of it."""

import logging
from collections.abc import Mapping, Sequence

from dataflow.errors import ConfigError
from dataflow.serving.api.models import known_model
from dataflow.serving.api.own_server import profiles
from dataflow.serving.api.probe import ServerFacts, probe
from dataflow.serving.api.providers import DEFAULT, Provider
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import NO_PROFILES, Wire, count_engines, wires_of

log = logging.getLogger(__name__)

_OF_ENGINES = (None, "images", "chat")  # formats that engines of one's own speak
_WANTED = '{"negative_prompt": " ", "true_cfg_scale": 4.0, "output_format": "png"}'


class Discovery:
    """Asks the addresses of one serving what they are.

    Attributes:
        profiles: address → what a server of one's own turned out to be.
        silent: addresses that were asked what they are, where none said it.
    """

    def __init__(self) -> None:
        self.profiles: Mapping[str, Provider] = NO_PROFILES
        self.silent: Sequence[str] = ()
        self._warned: set[str] = set()

    def find_out(self, wires: tuple[Wire, ...], seconds: tuple[float, float]) -> tuple[Wire, ...]:
        """How the addresses are asked once servers of one's own have said what they are.

        Args:
            wires: how they are asked without that.
            seconds: in which a server must say it, and in which one must that is slower.

        Raises:
            ConfigError: they would draw the same edit otherwise.
        """
        settings = wires[0].settings
        asked = {wire.address: wire.headers() for wire in wires if wire.provider == DEFAULT}
        if not asked or not _decides(settings) or not count_engines(wires):
            return wires
        found = probe(asked, timeout=seconds[0])
        own = {wire.address for wire in wires if wire.is_own_server}
        late = {address: headers for address, headers in asked.items() if address in own and found[address].late}
        if late:  # busy, or just started: what it draws for want of an answer would count in every later run
            found |= probe(late, timeout=seconds[1])
        self.profiles = profiles(found, settings.model, settings.extra_body)
        self.silent = [] if self.profiles else [*found]
        wires = wires_of(settings, self.profiles)
        self._check_alike(settings, [each for each, facts in found.items() if facts.may_edit])
        if not any(facts.says_how for facts in found.values()):
            for wire in wires:
                self._tell(wire, found.get(wire.address, ServerFacts()), sum(seconds))
        return wires

    def _check_alike(self, settings: ApiSettings, editing: Sequence[str]) -> None:
        """Refuse addresses whose edits would differ, since answers count whichever address gave them.

        Args:
            settings: of the serving.
            editing: addresses that may edit.

        Raises:
            ConfigError: so it is.
        """
        if settings.task == "text2image":
            return
        ways: dict[str, str] = {}
        for address in filter(self.profiles.get, editing):
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

    def _tell(self, wire: Wire, facts: ServerFacts, seconds: float) -> None:
        """Tell once what follows where nothing shows how a server of one's own draws."""
        if wire.address in self._warned or not wire.is_own_server:
            return
        if facts.late:
            self._warned.add(wire.address)
            log.warning(
                "%s did not say within %g s what it is: it is asked over the %s API, without the guidance and the size"
                " that its engine may want, and such answers count in later runs; run again once it is quicker, or give"
                " api_format=, and guidance in extra_body=",
                wire.address, seconds, wire.dialect.name,
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
