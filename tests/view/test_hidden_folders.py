"""Of a path its last name stays, whatever its folders are called; of what is no path everything."""

from pathlib import PurePath

import pytest

from dataflow.core.records import JSON
from dataflow.view.hidden_folders import folder_hider

FOLDERS = (PurePath("/data/my run/o'neil"), PurePath("/home/jan k/run"), PurePath("/srv/x:y"))
FILES = ("my photos/a b.png", "/data/my run/o'neil/ab/c.png")


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (
            "no '/data/my run/o'neil/ab/c.png' at /data/my run/o'neil/ab/c.png nor /b/d.png",
            "no 'c.png' at c.png nor d.png",
        ),
        ("in /home/jan k/run. It ends", "in run. It ends"),
        ("below /home/jan k/run/new one/x.png", "below x.png"),
        ("of /home/jan k and /home/jan k/notes/a.txt", "of ~ and a.txt"),
        ("another's /home/jan kay/x.png", "another's x.png"),
        ("/srv/x:y/z w/a.png", "a.png"),
        ("at my photos/a b.png", "at a b.png"),
        ("/mnt/big disk/new one/x y.png could be /q/r.png or /s/t u/v.png", "x y.png could be r.png or v.png"),
        ("`images`: ./a.png nor ../../jan/b.png nor ~/c/d.png", "`images`: a.png nor b.png nor d.png"),
        ("a (/tmp/q/r.txt) [/u/v/w] path=/etc/x/y", "a (r.txt) [w] path=y"),
        ('{"error": "/usr/lib/python3/x.py"} file:///home/u/i.png', '{"error": "x.py"} i.png'),
        ("图片/home/u/x.png坏了", "图片x.png坏了"),
        (
            "https://host/rows/x.jsonl, and/or 24/7 </b>/x 黑/白/灰",
            "https://host/rows/x.jsonl, and/or 24/7 </b>/x 黑/白/灰",
        ),
    ],
)
def test_the_folders_of_a_text_go(said: str, sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jan k")
    hide = folder_hider(FOLDERS, FILES)
    assert hide({"reasons": [said]}) == {"reasons": [sent]}


def test_an_instruction_keeps_all_but_what_is_known() -> None:
    hide = folder_hider(FOLDERS)
    said: JSON = {"instruction": "write /a/b/c on the sign of /data/my run/o'neil/x.png", "tries": 2}
    assert hide(said) == {"instruction": "write /a/b/c on the sign of x.png", "tries": 2}
