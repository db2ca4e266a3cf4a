"""A folder of pictures with captions beside them."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError, InputError, StepFailed
from dataflow.ingest.run import import_rows
from dataflow.ingest.sources import source_of
from tests.kit.publishers import bytes_in, pairs, rows_of


def photographs(folder: Path) -> list[str]:
    """Pictures of a folder within another, some with captions; their paths in order."""
    made = pairs(folder.parent / "made")
    names = ["b.jpg", "c.PNG", "d.png", "e.jpg", "inner/a.png", "inner/后.png", "inner/z.png", "inner/Z.webp"]
    (folder / "inner").mkdir(parents=True)
    for name, pair in zip(names, made, strict=True):
        (folder / name).write_bytes(pair.source)
    (folder / "b.txt").write_text("\ufeffa café\n", encoding="utf-8")
    (folder / "c.caption").write_text("second")
    (folder / "inner" / "a.json").write_text('{"license": "CC0", "tags": ["x"]}')
    (folder / "._b.jpg").write_bytes(b"what macOS leaves")
    (folder / "inner" / "loop").symlink_to(folder)
    order = ["b.jpg", "c.PNG", "d.png", "e.jpg", "inner/Z.webp", "inner/a.png", "inner/z.png", "inner/后.png"]
    return [str(folder / name) for name in order]


def test_pictures_come_by_name_with_what_is_written_beside_them(tmp_path: Path) -> None:
    order = photographs(tmp_path / "photos")
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl")
    rows = rows_of(done.target)
    assert [row["images"] for row in rows] == [[path] for path in order]
    assert [row["caption"] for row in rows[:3]] == ["a café", "second", None]
    assert (done.files, done.stored, done.store.exists()) == (8, 0, False)
    assert done.next_command == f"dataflowmm instruct {done.target} --model <name>"


def test_what_lies_in_json_beside_a_picture_is_a_field(tmp_path: Path) -> None:
    photographs(tmp_path / "photos")
    asked = "images=image,licence=json.license,id=name"
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl", columns=asked)
    licences = {row["id"]: row["licence"] for row in rows_of(done.target)}
    assert (licences["inner/a"], licences["b"]) == ("CC0", None)


def test_with_copy_they_lie_in_the_store_too(tmp_path: Path) -> None:
    order = photographs(tmp_path / "photos")
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl", copy=True)
    rows = rows_of(done.target)
    assert [bytes_in(row["images"]) for row in rows] == [bytes_in([path]) for path in order]
    assert all(Path(row["images"][0]).is_relative_to(done.store) for row in rows)


def test_a_broken_picture_or_caption_fails_its_row_alone(tmp_path: Path) -> None:
    order = photographs(tmp_path / "photos")
    Path(order[0]).write_bytes(Path(order[0]).read_bytes()[:-300])
    Path(order[1]).write_bytes(b"<html>")
    Path(order[2]).write_bytes(b"")
    (tmp_path / "photos" / "e.txt").write_bytes(b"\xff\xfe")
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl")
    assert done.rows == 4
    failed = [(row["place"], row["reason"].rpartition(order[0])[2][:40]) for row in rows_of(done.errors)]
    assert [place for place, _ in failed] == ["photos/b.jpg", "photos/c.PNG", "photos/d.png", "photos/e.jpg"]
    assert failed[0][1] == " is cut short"


def test_a_folder_without_pictures_says_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").touch()
    with pytest.raises(InputError, match=r"no picture in it .* of its .parquet files say '.*/\*.parquet'"):
        source_of(str(tmp_path))


def test_linked_folders_are_read_and_circles_end(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(pairs(tmp_path / "made")[0].source)
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "self").symlink_to("self")
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl")
    assert [row["images"] for row in rows_of(done.target)] == [[str(tmp_path / "photos" / "linked" / "a.png")]]


def test_the_store_of_an_import_is_no_part_of_the_next_one(tmp_path: Path) -> None:
    order = photographs(tmp_path / "photos")
    for _ in range(2):
        done = import_rows(str(tmp_path / "photos"), tmp_path / "photos" / "rows.jsonl", copy=True)
        assert done.rows == len(order)
    assert not done.changed


def test_pictures_of_phones_and_cameras_that_are_not_read_fail_by_name(tmp_path: Path) -> None:
    order = photographs(tmp_path / "photos")
    (tmp_path / "photos" / "iphone.HEIC").touch()
    (tmp_path / "photos" / "b.CR2").touch()  # which is there as b.jpg
    done = import_rows(str(tmp_path / "photos"), tmp_path / "rows.jsonl")
    assert done.rows == len(order)
    assert done.failed == {"HEIC is not read: save it as JPEG or PNG first": 1}


def test_texts_beside_no_picture_are_no_captions(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(pairs(tmp_path / ".made")[0].source)
    (tmp_path / "readme.txt").write_text("pictures")
    assert source_of(str(tmp_path)).columns == "images=image"


def pairs_of_folders(root: Path, *names: str) -> Path:
    """Sub-folders of pictures."""
    made = pairs(root / ".made")[0].source
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(made)
    return root


def test_files_of_one_name_in_named_folders_are_a_record(tmp_path: Path) -> None:
    first = "control_1/a.jpg", "control_2/a.PNG", "targets/a.png"
    root = pairs_of_folders(tmp_path, *first, *(name.replace("/", "/猫/") for name in first))
    (root / "targets" / "a.txt").write_text("Swap them.\n")
    (root / "prompts" / "猫").mkdir(parents=True)
    (root / "prompts" / "猫" / "a.caption").write_text("Swap 猫.")
    for field, name, said in (("targets", "a", "Swap them."), ("prompts", "猫/a", "Swap 猫.")):
        asked = f"images=control_1,images=control_2,edited=targets,instruction={field}.caption,id=name"
        done = import_rows(str(root), tmp_path / f"{field}.jsonl", columns=asked)
        (row,) = rows_of(done.target)
        control = [str(root / first[0].replace("a.", f"{name}.")), str(root / first[1].replace("a.", f"{name}."))]
        assert (row["id"], row["images"], row["conversations"][0]["content"]) == (name, control, said)
        assert row["edited_images"] == [str(root / first[2].replace("a.", f"{name}."))]
        assert list(done.failed) == [f"`{field}.caption` is null: there is no instruction"]


def test_what_lacks_its_partner_or_has_two_fails_by_its_name(tmp_path: Path) -> None:
    names = "before/a.png", "after/a.jpg", "before/b.png", "after/c.png", "before/d.png", "after/d.png", "after/d.webp"
    root = pairs_of_folders(tmp_path, *names, "before/e.png", "after/e.heic")
    done = import_rows(str(root), tmp_path / "rows.jsonl", columns="images=before,edited=after")
    assert done.rows == 1
    assert [(Path(row["place"]).name, row["reason"]) for row in rows_of(done.errors)] == [
        ("b", "no picture 'b' in after/"),
        ("c", "no picture 'c' in before/"),
        ("d", "several pictures in after/: 'd.png', 'd.webp': keep one"),
        ("e", "HEIC is not read: save it as JPEG or PNG first"),
    ]


def test_folders_without_one_name_in_common_make_no_rows(tmp_path: Path) -> None:
    root = pairs_of_folders(tmp_path, "before/1.png", "after/1_edited.png")
    with pytest.raises(StepFailed, match=r"2 x such as: no picture '1' in after/"):
        import_rows(str(root), tmp_path / "rows.jsonl", columns="images=before,edited=after")
    (root / "after" / "1_edited.png").unlink()
    with pytest.raises(ConfigError, match="has no field `after`; it has before, image, name"):
        import_rows(str(root), tmp_path / "rows.jsonl", columns="images=before,edited=after")


def test_names_of_one_look_are_one_name(tmp_path: Path) -> None:
    root = pairs_of_folders(tmp_path, "before/caf\u00e9.png", "after/cafe\u0301.png")
    assert import_rows(str(root), tmp_path / "rows.jsonl", columns="images=before,edited=after").rows == 1


def test_pairs_are_taken_for_single_pictures_only_where_the_user_says_so(tmp_path: Path) -> None:
    root = pairs_of_folders(tmp_path, "before/a.png", "after/a.png")
    with pytest.raises(ConfigError, match="after/ and before/ hold pictures of the same names: say"):
        import_rows(str(root), tmp_path / "rows.jsonl")
    with pytest.raises(ConfigError, match="`before` is of pairs, and `image` of single pictures"):
        import_rows(str(root), tmp_path / "rows.jsonl", columns="images=before,edited=image")
    assert import_rows(str(root), tmp_path / "rows.jsonl", columns="images=image").rows == 2


def test_folders_of_kinds_are_no_pairs(tmp_path: Path) -> None:
    root = pairs_of_folders(tmp_path, *(f"kind_{k:02}/1.png" for k in range(17)))
    assert import_rows(str(root), tmp_path / "rows.jsonl").rows == 17
