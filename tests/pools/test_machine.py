"""How the kind of a machine's devices is named, where ids and messages contain it."""

import pytest

from dataflow.pools.machine import Machine


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (Machine("cuda", (8, 9)), "compute capability 8.9"),
        (Machine("cuda"), "compute capability 0.0"),
        (Machine("rocm"), "rocm"),
        (Machine("cpu"), "cpu"),
    ],
)
def test_an_nvidia_machine_is_named_by_its_capability_and_any_other_by_its_kind(machine: Machine, name: str) -> None:
    assert str(machine) == name


def test_machines_of_one_kind_and_capability_are_equal() -> None:
    assert Machine("cuda", (8, 0)) == Machine("cuda", (8, 0))
    assert len({Machine("cuda", (8, 0)), Machine("cuda", (9, 0)), Machine("mps"), Machine("mps")}) == 3
