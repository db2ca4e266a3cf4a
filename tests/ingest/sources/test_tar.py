"""WebDataset's tars: what its writer and ours make is read whole, and what a stranger made costs a row or a line."""

import gzip
import io
import random
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from PIL import Image

from dataflow.errors import InputError
from dataflow.export import export
from dataflow.ingest.records import Broken, Bytes, Record
from dataflow.ingest.sources import source_of
from dataflow.ingest.sources.tar import samples
from tests.kit.awkward import WORDS, awkward_cache
from tests.kit.drawing import draw_png, mark_of

RED, BLUE = draw_png(mark_of("red")), draw_png(mark_of("blue"))


def tar(*members, form=tarfile.GNU_FORMAT, ended=True):
    """A tar of (name, bytes, fields of the header)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as packed:
        for name, data, *fields in members:
            header = tarfile.TarInfo(name)
            header.size = len(data)
            for field, value in (fields[0] if fields else {}).items():
                setattr(header, field, value)
            packed.addfile(header, io.BytesIO(data) if data else None)
        end = packed.offset
    return out.getvalue() if ended else out.getvalue()[:end]


def read(data, *names):
    file: Any = io.BytesIO(data)
    return list(samples(file, "a.tar", names))


def reasons(data):
    return [each.reason for each in read(data) if isinstance(each, Broken)]


def test_what_webdatasets_own_writer_packs_is_read_whole(tmp_path: Path) -> None:
    with webdataset.TarWriter(str(tmp_path / "s-000.tar.gz")) as writer:
        for number, picture in enumerate((RED, BLUE)):
            writer.write(
                {
                    "__key__": f"d/{number:03d}",
                    "input0.png": picture,
                    "mask.png": RED,
                    "json": {"instruction": "把天空变红", "turns": [1, None]},
                    "txt": "007\n",
                }
            )
    (tmp_path / "s-001.tar").write_bytes(tar(("x.jpg", BLUE), ("x.txt", b"blue")))
    source = source_of(str(tmp_path / "s-{000.tar.gz,001.tar}"))
    shape: Any = source.shape()
    assert shape["input0.png"] == shape["input0"] == shape["image"] == "picture"
    assert (shape["instruction"], shape["txt"], source.facts()) == ("str", "str", {"tars": 2})
    first, second, third = source.records(("input0", "instruction", "turns", "image", "txt", "__key__"))
    assert first.place == "d/000 in s-000.tar.gz"
    assert second.fields == {
        "__key__": "d/001",
        "input0": Bytes(BLUE, "d/001.input0.png"),
        "instruction": "把天空变红",
        "turns": [1, None],
        "txt": "007",
    }
    assert third.fields == {"__key__": "x", "image": Bytes(BLUE, "x.jpg"), "txt": "blue"}


def test_our_own_shards_come_back_with_every_pixel_and_word(tmp_path: Path) -> None:
    cache, expected = awkward_cache(tmp_path / "cache")
    export(cache, "webdataset", tmp_path / "out")
    left = dict(zip(WORDS, expected, strict=True))
    for record in source_of(str(tmp_path / "out" / "webdataset" / "*.tar")).records(()):
        assert isinstance(record, Record)
        fields: Any = record.fields
        found = left.pop(fields["instruction"])
        inputs = [fields[f"input{k}"] for k in range(len(found.inputs))]
        for data, pixels in zip([*inputs, fields["output"]], [*found.inputs, found.edited], strict=True):
            with Image.open(io.BytesIO(data.data)) as image:
                assert np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels).max() <= 1
    assert not left


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("1.png", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is a link to `/etc/passwd`"),
        ("1.png", {"type": tarfile.LNKTYPE, "linkname": "0.png"}, "is a link to `0.png`"),
        ("1.png", {"type": tarfile.CHRTYPE}, "is no file but a device"),
        ("1.png", {"type": tarfile.FIFOTYPE}, "is no file but a device"),
        ("1.png", {"type": tarfile.GNUTYPE_SPARSE}, "stored with holes"),
        ("/etc/1.png", {}, "leads out of the tar"),
        ("../../1.png", {}, "leads out of the tar"),
        ("a/../../1.png", {}, "leads out of the tar"),
    ],
)
def test_a_member_that_is_no_plain_file_fails_its_sample_alone(name, fields, reason):
    found = read(tar(("0.png", RED), (name, b"", fields), (name.replace("png", "txt"), b"red"), ("2.png", BLUE)))
    assert [type(each) for each in found] == [Record, Broken, Record]
    assert reason in found[1].reason
    assert found[2].fields["png"] == Bytes(BLUE, "2.png")


def test_no_size_that_is_declared_is_believed():
    def declared(size, form=tarfile.GNU_FORMAT, name="1.png"):
        header = tarfile.TarInfo(name)
        header.size = size
        return header.tobuf(form)

    good, end = tar(("0.png", RED), ended=False), bytes(1024)
    in_the_middle = good + declared(65 << 20) + bytes(65 << 20) + tar(("2.png", BLUE))
    assert [type(each) for each in read(in_the_middle)] == [Record, Broken, Record]
    assert reasons(in_the_middle) == ["`1.png` declares 68,157,440 bytes, more than 64 MiB"]
    for torn in (declared(10 << 30) + RED, declared(10 << 30, tarfile.PAX_FORMAT) + RED):
        assert reasons(good + torn) == ["unexpected end of data; what follows `0` is lost"]
    assert "more than 16 MiB" in reasons(declared(17 << 20, name="1.txt") + bytes(17 << 20) + end)[0]
    for size in (1 << 80, -512):
        assert "damaged header" in reasons(good + declared(size) + RED + end)[0]
    backwards = tar(("1.png", RED, {"pax_headers": {"size": "-10240"}}), form=tarfile.PAX_FORMAT)
    assert "damaged header" in reasons(backwards)[0]
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        header = tarfile.TarInfo("1.png")
        header.type, header.size = kind, 10 << 30
        assert "damaged header" in reasons(good + header.tobuf(tarfile.GNU_FORMAT) + end)[0]


def test_a_key_that_comes_again_is_one_failed_row():
    found = read(tar(("1.png", RED), ("1.png", BLUE), ("2.png", RED), ("3.png", RED), ("2.txt", b"red")))
    assert [type(each) for each in found] == [Broken, Record, Record, Broken]
    assert "stands in it twice" in found[0].reason
    assert "its key came before in this tar" in found[3].reason


def test_members_that_are_no_json_or_no_text_fail_their_sample():
    found = read(tar(("1.json", b"{"), ("2.txt", b"\xff"), ("3.json", b"[1]"), ("4.json", b'{"a": 1, "png": 2}')))
    assert [type(each) for each in found] == [Broken, Broken, Record, Record]
    assert found[2].fields["json"] == [1]
    assert found[3].fields == {"__key__": "4", "a": 1, "png": 2, "json": {"a": 1, "png": 2}}


def test_what_is_no_sample_is_passed_over_and_names_are_as_they_are_written():
    odd = tar(("LICENSE", b"x"), (".DS_Store", b"x"), ("__MACOSX/._1.png", b"x"), ("./a b/图.v2.PNG", RED))
    (found,) = read(odd)
    assert found.place == "a b/图 in a.tar"
    assert found.fields == {"__key__": "a b/图", "v2.png": Bytes(RED, "./a b/图.v2.PNG"), "v2": found.fields["v2.png"]}
    two = read(tar(("1.png", RED), ("1.jpg", BLUE)))[0].fields
    assert "image" not in two, "which of them would be meant?"


@pytest.mark.parametrize("packed", [False, True])
def test_a_tar_that_was_cut_off_is_one_line_wherever_it_was_cut(packed):
    whole = tar(("1.png", RED), ("1.txt", b"red"), ("2.png", BLUE), ("2.txt", b"blue"))
    length = whole.index(b"blue") + 512
    data = gzip.compress(whole) if packed else whole[:length]
    for cut in range(0, len(data), 97):
        *records, last = read(data[:cut])
        assert isinstance(last, Broken)
        assert last.place == "a.tar"
        assert all(each.fields["png"] in (Bytes(RED, "1.png"), Bytes(BLUE, "2.png")) for each in records)


def test_no_bytes_whatever_end_the_import():
    chance = random.Random(7)
    bases = [
        tar((f"{'x' * 50}/{'y' * 80}.png", RED[:600]), ("2.json", b'{"a": 1}'), form=form)
        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)
    ]
    holes = {f"GNU.sparse.{name}": value for name, value in {"major": "1", "minor": "0", "realsize": "10"}.items()}
    bases.append(tar(("1.png", b"1\n0\n5\n" + RED, {"pax_headers": holes}), form=tarfile.PAX_FORMAT))
    for _ in range(400):
        data = bytearray(chance.choice(bases))
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(len(data))] = chance.choice((0, 57, 128, 255, chance.randrange(256)))
        for start in range(0, len(data) - 511, 512):  # what is damaged behind a good checksum goes further
            if data[start + 257 : start + 262] == b"ustar":
                total = sum(data[start : start + 148]) + sum(data[start + 156 : start + 512]) + 256
                data[start + 148 : start + 156] = b"%06o\0 " % total
        assert all(isinstance(each, Record | Broken) for each in read(bytes(data)))


def test_a_source_without_a_sample_is_said_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"hello" * 1000)
    (tmp_path / "b.tar").write_bytes(tar(("LICENSE", b"x")))
    for name, said in (("a", "damaged header"), ("b", "holds no sample")):
        with pytest.raises(InputError, match=said):
            source_of(str(tmp_path / f"{name}.tar")).shape()
