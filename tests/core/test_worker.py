"""What a worker is that defines no more than it must: one that runs in the driver, costs nothing and takes no mask."""

from dataflow.core.records import Job, Request
from dataflow.core.worker import Limits, Placement
from tests.kit.workers import Echo

JOB = Job("0" * 32, Request("p"))


def test_by_default_nobody_charges_and_nothing_is_found_on_disk() -> None:
    worker = Echo()
    assert (worker.billing(), worker.recover(JOB), worker.holds(JOB), worker.provenance()) == (None, None, False, {})
    assert (worker.resources(8), worker.batch_key(JOB.request), [*worker.other_fingerprints()]) == (None, None, [])


def test_a_worker_that_takes_no_mask_says_so_with_the_mend() -> None:
    problem = Echo().mask_problem()
    assert problem.endswith("takes no mask: give a serving that does, or leave out input_mask_key")


def test_a_dry_run_prepares_as_a_run_does_where_a_worker_says_nothing_else() -> None:
    worker = Echo()
    worker.rehearse()
    assert worker.prepared == 1


def test_each_device_gets_a_copy_of_its_own_and_the_worker_keeps_all() -> None:
    worker = Echo()
    worker.placement = Placement(devices=("cuda:0", "cuda:1"), gpus=2)
    copy = worker.on_device("cuda:1")
    assert (copy.placement, copy.fingerprint()) == (Placement(devices=("cuda:1",), gpus=2), worker.fingerprint())
    assert worker.placement.devices == ("cuda:0", "cuda:1")


def test_a_worker_without_devices_runs_in_one_process() -> None:
    assert [Placement(devices=devices).processes for devices in ((), ("cpu",), ("cuda:0", "cuda:1"))] == [1, 1, 2]


def test_limits_that_a_worker_replaces_are_no_other_workers() -> None:
    first, second = Echo(width=4), Echo(width=4)
    first.limits = Limits(width=2, per_minute=590)
    assert (second.limits, first.limits.per_minute) == (Limits(width=4), 590)
