"""How often a first edit is accepted, as the shipped file says."""

import yaml

from dataflow.taxonomy.priors import FILE, prior_passes
from dataflow.taxonomy.taxonomy import shipped_taxonomy


def test_a_known_operation_has_its_own_share_and_another_one_the_default() -> None:
    written = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    name, share = next(iter(written["passes"].items()))
    assert prior_passes([name, "levitate"]) == {name: share, "levitate": written["default"]}


def test_every_shipped_operation_may_pass_and_may_fail() -> None:
    assert all(0 < share < 1 for share in prior_passes(shipped_taxonomy().operations).values())


def test_the_file_names_shipped_operations_alone() -> None:
    written = yaml.safe_load(FILE.read_text(encoding="utf-8"))["passes"]
    assert written.keys() <= shipped_taxonomy().operations.keys()
