"""What finding, downloading and checking rely on, whatever the kind of checkpoint."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigError
from dataflow.models.checkpoint import DiffusersLayout
from dataflow.models.layout import Layout
from dataflow.models.static_checkpoint import StaticLayout
from dataflow.models.text_checkpoint import TransformersLayout

KINDS: list[Layout] = [DiffusersLayout(), StaticLayout(), TransformersLayout(), TransformersLayout(pictures=True)]


@pytest.mark.parametrize("layout", KINDS, ids=lambda layout: type(layout).__name__)
def test_every_kind_downloads_its_entry_and_card_and_refuses_an_empty_folder(layout: Layout, tmp_path: Path) -> None:
    names = [layout.entry, "README.md", "LICENSE.txt", ".gitattributes"]
    assert [name for name in names if layout.wants(name, names)] == names[:3]
    with pytest.raises(ConfigError, match=layout.entry):
        layout.check(tmp_path)
    assert " hub such as " in layout.hint
