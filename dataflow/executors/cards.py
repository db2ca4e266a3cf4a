"""Finds the compute capability of a Ray cluster's GPUs by the names under which Ray lists them."""

import logging
from collections.abc import Iterable

from dataflow.pools.machine import Machine

log = logging.getLogger(__name__)

# Sources: of the names, ray.util.accelerators; of the compute capabilities, developer.nvidia.com/cuda/gpus
CAPABILITIES = {
    "K80": (3, 7),
    "P100": (6, 0),
    "P4": (6, 1),
    "V100": (7, 0),
    "T4": (7, 5),
    "A100": (8, 0),
    "A10": (8, 6),
    "A10G": (8, 6),
    "A40": (8, 6),
    "L4": (8, 9),
    "L40": (8, 9),
    "L40S": (8, 9),
    "H20": (9, 0),
    "H100": (9, 0),
    "H200": (9, 0),
    "B200": (10, 0),
    "GB200": (10, 0),
    "B300": (10, 3),
    "GB300": (10, 3),
    "RTX-PRO-6000": (12, 0),
}
_PREFIX = "accelerator_type:"


def machine_of(resources: Iterable[str]) -> Machine:
    """The abilities that all GPUs of a cluster have; a GPU of unknown name counts as the least able.

    Args:
        resources: names of the cluster's resources, such as "accelerator_type:H100".
    """
    names = {name.removeprefix(_PREFIX) for name in resources if name.startswith(_PREFIX)}
    if names and all(name.startswith("AMD-") for name in names):
        return Machine("rocm")
    found = {name: CAPABILITIES.get(name) or CAPABILITIES.get(name.partition("-")[0]) for name in names}
    unknown = sorted(name for name, capability in found.items() if capability is None)
    if unknown or not found:
        log.warning("what the cluster's GPUs can do is not known (%s)", ", ".join(unknown) or "Ray lists no type")
    return Machine("cuda", min((capability or (0, 0) for capability in found.values()), default=(0, 0)))
