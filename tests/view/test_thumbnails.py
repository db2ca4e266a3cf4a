"""Small copies are made once, stay within a number of bytes, and follow the picture that they are of."""

from pathlib import Path

import pytest
from PIL import Image

from dataflow.io.decode import BadPicture
from dataflow.utils.files import user_cache
from dataflow.view.thumbnails import Thumbnails


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.effect_noise((900, 600), 80).convert("RGB").save(path)
    return path


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_copy_is_made_once_and_anew_for_another_picture(tmp_path: Path, photo: Path) -> None:
    copies = Thumbnails(tmp_path / "copies")
    data, kind = copies.get(photo, 320)
    assert kind == "image/jpeg"
    (copy,) = files_in(tmp_path / "copies")
    copy.write_bytes(data + b"seen")
    assert copies.get(photo, 320)[0] == data + b"seen", "the copy that is there is taken"
    photo.unlink()
    Image.new("RGB", (40, 30), "red").save(photo)
    assert copies.get(photo, 320)[1] == "image/png", "a drawing keeps its pixels"


def test_the_folder_stays_within_its_bytes(tmp_path: Path) -> None:
    copies = Thumbnails(tmp_path / "copies", limit=100_000)
    for number in range(40):
        path = tmp_path / f"{number}.png"
        Image.effect_noise((300, 200), 40 + number).convert("RGB").save(path)
        copies.get(path, 320)
        assert sum(each.stat().st_size for each in files_in(tmp_path / "copies")) < 150_000
    assert copies.get(path, 320)[0] in [each.read_bytes() for each in files_in(tmp_path / "copies")], (
        "the last one stays"
    )


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "copies").write_text("in the way")
    assert Thumbnails(tmp_path / "copies").get(photo, 320)[1] == "image/jpeg"


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.png"
    drawing.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    for path in (drawing, tmp_path / "nowhere.png", tmp_path):
        with pytest.raises(BadPicture):
            Thumbnails(tmp_path / "copies").get(path, 320)


def test_copies_lie_in_the_users_cache(tmp_path: Path) -> None:
    assert user_cache() == tmp_path / "user-cache" / "dataflow-mm"
