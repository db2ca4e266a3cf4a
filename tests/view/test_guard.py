"""Who may ask the page's server: whoever knows its token, by a host of ours, and writes only from the page itself."""

from collections.abc import Iterator

import pytest

from tests.kit.judged import judged_cache
from tests.kit.site import Site, site_of


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of(judged_cache(tmp_path_factory.mktemp("cache") / "run")) as opened:
        yield opened


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80", ""])
def test_another_host_is_refused(site: Site, host: str) -> None:
    assert site.status(site.base, Host=host) == 421


def test_another_origin_or_no_token_is_refused(site: Site) -> None:
    assert site.status("/") == 404
    assert site.status("/wrong/") == 404
    assert site.status(site.base[:-2] + "x/") == 404
    assert site.status(site.base, Origin="http://evil.example") == 403
    assert site.status(site.base, Origin="null") == 403
    assert site.status(site.base, Origin=f"http://{site.host}") == 200
    assert site.ask(site.base, "POST")[0].status == 403, "whoever writes says from where"
    answer, _ = site.ask(site.base)
    assert "access-control-allow-origin" not in answer.headers


def test_every_answer_forbids_foreign_scripts_and_frames(site: Site) -> None:
    for path in (site.base, "/", f"{site.step}/overview"):
        answer, _ = site.ask(path)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
