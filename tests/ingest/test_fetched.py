"""What is remembered of addresses: by a second process too, while the first one still runs."""

from pathlib import Path

from dataflow.ingest.fetched import _TOGETHER, Fetched


def test_a_kill_costs_few_addresses(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    picture = tmp_path / "ab" / "ab01.png"
    picture.touch()
    running = Fetched(tmp_path)
    for number in range(4 * _TOGETHER):
        running.add(f"http://host.example/{number}", "", str(picture))
    running.add_dead("http://host.example/dead", "HTTP 404")
    after_a_kill = Fetched(tmp_path)
    found = [after_a_kill.path(f"http://host.example/{number}", "") for number in range(4 * _TOGETHER)]
    assert found.count(str(picture)) >= 3 * _TOGETHER
    after_a_kill.close()
    running.close()
    later = Fetched(tmp_path)
    assert later.dead("http://host.example/dead") == "HTTP 404"
    later.close()


def test_a_picture_that_was_removed_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    picture = tmp_path / "ab" / "ab01.png"
    picture.touch()
    fetched = Fetched(tmp_path)
    fetched.add("http://host.example/a", "v1", str(picture))
    assert fetched.path("http://host.example/a", "v1") == str(picture)
    assert fetched.path("http://host.example/a", "v2") == "", "another tag is another picture"
    picture.unlink()
    assert fetched.path("http://host.example/a", "v1") == ""
    fetched.close()
