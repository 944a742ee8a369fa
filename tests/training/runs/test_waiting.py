from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from training.hardware import Hardware
from training.models import Job, PictureImport, Recognizer, TrainingRun
from training.runs import waiting
from training.runs.presence import Does, report
from training.runs.waiting import oldest

CPU = Hardware((), "A CPU", 4, 8 * 2**30)
GPU = Hardware(("A GPU",), "A CPU", 4, 8 * 2**30)


@pytest.fixture
def _all_kinds(recognizer: Recognizer) -> None:
    """An import, a job and a run, asked for in this order a minute ago."""
    rows = [
        recognizer.imports.create(name="a.zip"),
        recognizer.jobs.create(kind=Job.Kind.REVIEW),
        recognizer.runs.create(config={}),
    ]
    for seconds, row in enumerate(rows):
        created_at = timezone.now() - timedelta(seconds=60 - seconds)
        type(row)._default_manager.filter(pk=row.pk).update(created_at=created_at)


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        (["train"], waiting.train),
        (["jobs"], waiting.carry_out_job),
        (["imports"], waiting.read_import),
        (["train", "jobs"], waiting.carry_out_job),
        (["housekeeping"], waiting.read_import),
        (["another"], None),
    ],
)
@pytest.mark.usefixtures("_all_kinds")
def test_a_worker_finds_what_has_waited_longest_for_one_of_its_queues(
    queues: list[str], expected: waiting.CarryOut | None
) -> None:
    found = oldest(queues)

    assert (found and found.carry_out) == expected


@pytest.mark.usefixtures("_all_kinds")
def test_the_clock_leaves_imports_to_a_worker_that_reads_them() -> None:
    report("imports@here", CPU, timezone.now(), Does(trains=False, reads_imports=True))

    assert oldest(["housekeeping"]) is None


@pytest.mark.parametrize("model", [TrainingRun, Job, PictureImport])
@pytest.mark.parametrize("values", [{"created_at": timezone.now() + timedelta(hours=1)}, {"cancel_requested": True}])
@pytest.mark.usefixtures("_all_kinds")
def test_what_has_just_come_or_is_to_be_cancelled_is_left(
    values: dict[str, object], model: type[TrainingRun | Job | PictureImport]
) -> None:
    model.objects.update(**values)

    found = oldest(["train", "jobs", "imports"])

    assert found is not None
    assert not model.objects.filter(pk=found.pk, created_at=found.since).exists()


@pytest.mark.parametrize(("hardware", "is_found"), [(CPU, False), (GPU, True)])
@pytest.mark.usefixtures("_all_kinds")
def test_what_waits_for_a_gpu_is_found_where_there_is_one(
    hardware: Hardware, is_found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "this_machine", lambda: hardware)
    TrainingRun.objects.update(needs_gpu=True)

    assert (oldest(["train"]) is not None) == is_found


@pytest.mark.django_db
def test_what_is_gone_is_nothing_to_do() -> None:
    assert [do(7, "here") for do in (waiting.train, waiting.carry_out_job, waiting.read_import)] == [False] * 3
