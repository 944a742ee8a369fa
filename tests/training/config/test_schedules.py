from __future__ import annotations

from typing import Any

import pytest

from training.config import TrainingConfig
from training.config.choices import SCHEDULES
from training.config.schedules import Phase, phases, rates


def config(network: str = "cnn", **settings: Any) -> TrainingConfig:
    return TrainingConfig.for_network(network, {"learning_rate": 0.1, "epochs": 10, **settings})


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_has_a_rate_for_each_step_and_none_above_the_chosen_one(schedule: str) -> None:
    drawn = rates(config(schedule=schedule), steps_per_epoch=7)

    assert len(drawn) == 70
    assert max(drawn) == pytest.approx(0.1)
    assert min(drawn) > 0


def test_steps_down_come_after_as_many_epochs_as_the_patience_says() -> None:
    drawn = rates(config(schedule="step", rate_patience=4, rate_factor=0.5), steps_per_epoch=2)

    assert drawn == pytest.approx([0.1] * 8 + [0.05] * 8 + [0.025] * 4)


def test_the_cosine_warms_up_over_its_share_of_the_steps_and_ends_near_nothing() -> None:
    drawn = rates(config(schedule="cosine", warm_up=0.2), steps_per_epoch=10)

    assert drawn[0] == pytest.approx(0.01)
    assert drawn.index(max(drawn)) == 20
    assert drawn[60] == pytest.approx(0.05)
    assert drawn[-1] < 1e-4


def test_without_a_warm_up_the_cosine_begins_at_the_top() -> None:
    assert rates(config(schedule="cosine", warm_up=0), steps_per_epoch=10)[0] == 0.1


def test_fine_tuning_begins_its_own_schedule_after_the_head() -> None:
    fine_tuned = config("mobilenetv2", head_epochs=4, fine_tune_learning_rate=0.01, schedule="constant")

    assert rates(fine_tuned, steps_per_epoch=1) == [0.1] * 4 + [0.01] * 6


def test_where_only_the_head_learns_it_has_all_epochs() -> None:
    head_only = config("mobilenetv2", head_epochs=4, fine_tune="none", schedule="constant")

    assert rates(head_only, steps_per_epoch=1) == [0.1] * 10


def test_a_linear_probe_is_one_epoch_without_steps_of_its_own() -> None:
    probed = config("mobilenetv2", linear_probe=True, head_epochs=4, fine_tune_learning_rate=0.01, schedule="constant")

    assert rates(probed, steps_per_epoch=2) == [0.0] * 2 + [0.01] * 18
    assert [(each.first, each.last, each.is_probe) for each in phases(probed)] == [(0, 1, True), (1, 10, False)]


def test_where_the_last_layer_is_found_at_once_there_is_nothing_else() -> None:
    assert phases(config("mobilenetv2", linear_probe=True, fine_tune="none")) == [
        Phase(0, 1, 0.0, head_only=True, is_probe=True)
    ]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_final_epochs_take_more_steps_of_the_same_schedule(schedule: str) -> None:
    final = config(schedule=schedule, final_epochs=3)
    (phase,) = phases(final)

    assert phase.joined == 7
    assert phase.epoch_steps(4, 5) == [4] * 7 + [5] * 3
    drawn = rates(final, steps_per_epoch=4, final_steps=5)
    assert len(drawn) == 43
    assert min(drawn) > 0


def test_without_final_epochs_no_other_pictures_join() -> None:
    for phase in phases(config("mobilenetv2", head_epochs=4)):
        assert phase.joined == phase.last


@pytest.mark.parametrize(
    ("network", "chosen", "final"),
    [
        ("cnn", {"epochs": 4, "final_epochs": 9}, 3),
        ("cnn", {"epochs": 1, "final_epochs": 9}, 0),
        ("mobilenetv2", {"epochs": 9, "head_epochs": 5, "final_epochs": 4}, 3),
        ("mobilenetv2", {"epochs": 9, "head_epochs": 9, "final_epochs": 4}, 0),
        ("mobilenetv2", {"epochs": 2, "linear_probe": True, "final_epochs": 4}, 0),
        ("mobilenetv2", {"epochs": 1, "linear_probe": True, "final_epochs": 4}, 0),
    ],
)
def test_one_epoch_is_always_left_to_choose_by(network: str, chosen: dict[str, int], final: int) -> None:
    assert phases(config(network, **chosen))[-1].num_final == final
