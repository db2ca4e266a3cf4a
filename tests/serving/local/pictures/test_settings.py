"""Values of all kinds stand in a fingerprint by their contents."""

from dataclasses import dataclass

from dataflow.serving.local.pictures.settings import plain


class Config:
    def to_dict(self) -> dict[str, object]:
        return {"bits": 4, "skip": ("norm",)}


@dataclass
class Level:
    number: int


class Opaque:
    pass


def test_arguments_become_json_by_content() -> None:
    assert plain({"variant": "fp16", "sizes": (1, 2.5), "on": True, "none": None}) == {
        "variant": "fp16",
        "sizes": [1, 2.5],
        "on": True,
        "none": None,
    }
    assert plain(Config()) == {"class": f"{__name__}.Config", "value": {"bits": 4, "skip": ["norm"]}}
    assert plain({"b", "a"}) == ["a", "b"]
    assert plain(Level(3)) != plain(Level(4))


def test_an_objects_address_never_shows() -> None:
    assert plain(Opaque()) == plain(Opaque()) == f"{__name__}.Opaque"
