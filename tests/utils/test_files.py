"""Whole files or none, and where a row's picture is looked for."""

import os
import stat
import unicodedata
from pathlib import Path

import pytest

from dataflow.errors import RowError
from dataflow.utils.files import PathRules, sha256_hex, temporary_beside, user_cache, write_atomic
from tests.kit.flow import draw


def test_write_atomic_replaces_the_file_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "made" / "a.bin"
    write_atomic(target, b"one")
    write_atomic(target, b"two")
    assert target.read_bytes() == b"two"
    assert os.listdir(target.parent) == ["a.bin"]


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    (tmp_path / "a.bin" / "full").touch()
    with pytest.raises(OSError):
        write_atomic(tmp_path / "a.bin", b"new")
    with pytest.raises(ZeroDivisionError), temporary_beside(tmp_path / "b.bin") as path:  # noqa: PT012
        path.write_bytes(b"half")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["a.bin"]


def test_files_get_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a.bin", b"")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


def test_sha256_is_hex() -> None:
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / name for name in ("cwd", "rows", "recorded", "old", "new")}
    for place in made.values():
        place.mkdir()
    return made


def rules(places: dict[str, Path]) -> PathRules:
    return PathRules(places["cwd"], (places["rows"],), places["recorded"], (places["old"], places["new"]))


@pytest.mark.parametrize("place", ["cwd", "rows", "recorded"])
def test_a_relative_path_is_found_in_each_place(places: dict[str, Path], place: str) -> None:
    picture = draw(places[place] / "images" / "图.png")
    assert rules(places).resolve("./images/图.png") == str(picture)


def test_the_working_directory_comes_first(places: dict[str, Path]) -> None:
    for place in ("cwd", "rows"):
        draw(places[place] / "a.png")
    assert rules(places).resolve("a.png") == str(places["cwd"] / "a.png")


def test_two_different_pictures_of_one_name_are_refused(places: dict[str, Path]) -> None:
    draw(places["cwd"] / "a.png")
    draw(places["rows"] / "a.png", "blue")
    with pytest.raises(RowError, match=r"could be .*cwd/a\.png or .*rows/a\.png, which differ: use an absolute path"):
        rules(places).resolve("a.png")


def test_an_absolute_path_needs_no_search(places: dict[str, Path]) -> None:
    picture = draw(places["new"] / "a.png")
    assert rules(places).resolve(str(picture)) == str(picture)


def test_a_picture_of_a_moved_cache_is_found_at_its_new_place(places: dict[str, Path]) -> None:
    picture = draw(places["new"] / "images" / "a.png")
    assert rules(places).resolve(str(places["old"] / "images" / "a.png")) == str(picture)


def test_a_missing_picture_is_named_with_every_place_looked_at(places: dict[str, Path]) -> None:
    with pytest.raises(RowError) as caught:
        rules(places).resolve("./a.png")
    for place in ("cwd", "rows", "recorded"):
        assert str(places[place] / "a.png") in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "https://example.com/a.png",
        "HTTP://example.com/a.png",
        "s3://bucket/a.png",
        "data:image/png;base64," + "A" * 9999,
    ],
)
def test_a_url_is_refused_with_a_hint(places: dict[str, Path], name: str) -> None:
    with pytest.raises(RowError, match="is a URL: download the picture first") as caught:
        rules(places).resolve(name)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["A" * 5000, "a\0b.png", "~nobody-here/a.png", "~a.png", "."])
def test_what_can_be_no_picture_fails_its_row_and_not_the_run(places: dict[str, Path], name: str) -> None:
    for place in ("cwd", "rows"):
        (places[place] / "sub").mkdir()
    with pytest.raises(RowError) as caught:
        rules(places).resolve(name)
    assert len(str(caught.value)) < 1500


def test_a_file_whose_name_has_a_colon_or_a_tilde_is_no_url_and_no_home(places: dict[str, Path]) -> None:
    for name in ("shot:1.png", "~a.png"):
        picture = draw(places["cwd"] / name)
        assert rules(places).resolve(name) == str(picture)


def test_dots_after_a_link_lead_where_the_system_goes(places: dict[str, Path]) -> None:
    disk, beside = places["old"] / "disk", places["cwd"]
    (disk / "set1").mkdir(parents=True)
    meant = draw(disk / "pics" / "a.png", "green")
    draw(beside / "pics" / "a.png", "red")
    (beside / "set1").symlink_to(disk / "set1")
    for name in ("set1/../pics/a.png", str(beside / "set1/../pics/a.png")):
        assert Path(rules(places).resolve(name)).samefile(meant)


def test_dots_after_a_link_that_leads_nowhere_find_no_other_picture(places: dict[str, Path]) -> None:
    draw(places["cwd"] / "pics" / "a.png")
    (places["cwd"] / "set1").symlink_to(places["cwd"] / "unmounted" / "set1")
    with pytest.raises(RowError, match=r"no picture 'set1/\.\./pics/a\.png'"):
        rules(places).resolve("set1/../pics/a.png")


def test_dots_that_pass_no_link_are_left_out_of_the_path(places: dict[str, Path]) -> None:
    picture = draw(places["rows"] / "pics" / "a.png")
    (places["rows"] / "sub").mkdir()
    assert rules(places).resolve("./sub/../pics/a.png") == str(picture)
    moved = draw(places["new"] / "images" / "b.png")
    assert rules(places).resolve("../old/images/b.png") == str(moved)


_FORMS = {
    "NFC": unicodedata.normalize("NFC", "thế giới/Å 한 é.png"),
    "NFD": unicodedata.normalize("NFD", "thế giới/Å 한 é.png"),
    # As Vietnamese keyboards write: the vowel is composed, its tone a letter of its own.
    "typed": "th\u00ea\u0301 gi\u01a1\u0301i/\u212b 한 e\u0301.png",
    "a composed folder": unicodedata.normalize("NFC", "thế giới/") + unicodedata.normalize("NFD", "Å 한 é.png"),
}


@pytest.mark.parametrize("named", _FORMS)
@pytest.mark.parametrize("written", _FORMS)
def test_a_name_in_another_unicode_form_finds_its_picture(places: dict[str, Path], named: str, written: str) -> None:
    picture = draw(places["rows"] / _FORMS[written])
    assert rules(places).resolve(_FORMS[named]) == str(picture)


def test_the_form_that_a_row_names_comes_first_and_two_others_are_refused(places: dict[str, Path]) -> None:
    composed, decomposed, typed = ("\u1ebf.png", "e\u0302\u0301.png", "\u00ea\u0301.png")
    for name in (decomposed, typed):
        draw(places["cwd"] / name)
    assert rules(places).resolve(decomposed) == str(places["cwd"] / decomposed)
    with pytest.raises(RowError, match=r"could be any of .*: keep one of them"):
        rules(places).resolve(composed)


def test_a_user_without_a_home_has_a_cache_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_cache().name == "dataflow-mm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(OSError, match=r"dataflow-mm"):
        user_cache().mkdir(parents=True)
