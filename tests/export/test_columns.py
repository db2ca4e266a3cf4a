"""What a column holds is said alike to Arrow, to Hugging Face's features and in the card's YAML."""

import subprocess
import sys

import datasets
import yaml

from dataflow.export.columns import arrow_type, feature_of, leaves, yaml_of
from tests.kit.tables import COLUMNS, FEATURES


def test_the_yaml_of_a_card_names_the_same_features() -> None:
    assert datasets.Features._from_yaml_list(yaml.safe_load(yaml.safe_dump(yaml_of(COLUMNS)))) == FEATURES
    assert yaml_of(COLUMNS) == FEATURES._to_yaml_list()


def test_every_shape_says_the_same_of_itself() -> None:
    for name, shape in COLUMNS.fields.items():
        assert datasets.Features.from_dict({"x": feature_of(shape)}).arrow_schema.field("x").type == arrow_type(
            shape
        ), name


def test_without_pyarrow_the_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from dataflow.errors import ConfigError\n"
        "from dataflow.export.columns import pyarrow\n"
        "try: pyarrow()\nexcept ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'dataflow-mm[parquet]'" in done.stdout


def test_a_column_is_parted_into_the_columns_of_its_file() -> None:
    assert leaves(COLUMNS.fields["images"], "images") == [
        ("images.list.element.bytes", "bytes"),
        ("images.list.element.path", "text"),
    ]
    assert leaves(COLUMNS.fields["by"], "by") == [("by.asked", "text"), ("by.seed", "whole")]
