"""What servers of one's own turn out to be before the first request, and what is told of it."""

import logging
from collections.abc import Mapping, Sequence

from dataflow.serving.api.own_server import profiles
from dataflow.serving.api.probe import probe
from dataflow.serving.api.providers import Provider
from dataflow.serving.api.settings import ApiSettings
from dataflow.serving.api.wire import NO_PROFILES, Wire, count_engines, wires_of

log = logging.getLogger(__name__)

_OF_ENGINES = (None, "images", "chat")  # formats that engines of one's own speak


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

    def find_out(self, wires: tuple[Wire, ...], seconds: float) -> tuple[Wire, ...]:
        """How the addresses are asked once servers of one's own have said what they are.

        Args:
            wires: how they are asked without that.
            seconds: in which a server must say it.
        """
        settings = wires[0].settings
        decides = settings.image_io is not None and settings.provider is None and settings.dialect in _OF_ENGINES
        if settings.batch or not decides or not count_engines(wires):
            return wires
        asked = {wire.address: wire.headers() for wire in wires}
        found = probe(asked, timeout=seconds)
        late = [wire.address for wire in wires if wire.is_own_server and found[wire.address].late]
        if late:  # busy, or just started: what it draws for want of an answer would count in every later run
            found |= probe({address: asked[address] for address in late}, timeout=seconds)
        self.profiles = profiles(found, settings.model, settings.extra_body)
        self.silent = [] if self.profiles else [*found]
        if len({repr(each.edits_ask(settings.extra_body)) for each in self.profiles.values()}) > 1:
            log.warning(
                "the addresses of api_url do not take the same guidance or size for %s, so that their edits differ, and"
                " count as one: give addresses of one engine and version",
                settings.model,
            )
        wires = wires_of(settings, self.profiles)
        for wire in wires:
            facts = found.get(wire.address)
            if facts is not None and facts.late and (facts.is_known or not self.profiles):
                self._tell_late(wire, seconds)
        return wires

    def _tell_late(self, wire: Wire, seconds: float) -> None:
        if wire.address in self._warned:
            return
        self._warned.add(wire.address)
        log.warning(
            "%s did not say within %g s what it is: it is asked over the %s API, without the guidance and the size that"
            " its engine may want, and such answers count in later runs; run again once it is quicker, or give"
            " api_format=, and guidance in extra_body=",
            wire.address, seconds, wire.dialect.name,
        )  # fmt: skip
