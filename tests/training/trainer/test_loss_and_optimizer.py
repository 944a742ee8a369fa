from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training.config import TrainingConfig
from training.config.choices import OPTIMIZERS, SCHEDULES
from training.config.schedules import phase_rates

pytestmark = pytest.mark.keras


def config(**settings: Any) -> TrainingConfig:
    return TrainingConfig.for_network("cnn", settings)


def stepped(optimizer: Any, *, gradient: float = 0.0, name: str = "kernel", steps: int = 1) -> float:
    """What an optimizer makes of a weight of 1."""
    import keras

    weight = keras.Variable(1.0, name=name)
    optimizer.build([weight])
    for _ in range(steps):
        optimizer.apply([np.float32(gradient)])
    return float(weight.numpy())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_steps_against_the_gradient(name: str) -> None:
    from training.trainer.loss_and_optimizer import make_optimizer

    assert stepped(make_optimizer(config(optimizer=name), 0.01), gradient=1) < 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_takes_its_share_of_a_kernel_and_leaves_a_bias_alone(name: str) -> None:
    from training.trainer.loss_and_optimizer import make_optimizer

    decaying = config(optimizer=name, weight_decay=0.1)

    assert stepped(make_optimizer(decaying, 0.5)) == pytest.approx(0.95)
    assert stepped(make_optimizer(decaying, 0.5), name="bias") == 1


def test_momentum_carries_steps_on_and_plain_sgd_does_not() -> None:
    from training.trainer.loss_and_optimizer import make_optimizer

    plain, carried, looking_ahead = (
        stepped(make_optimizer(config(optimizer=name, momentum=0.5, weight_decay=0), 0.1), gradient=1, steps=2)
        for name in ("sgd", "momentum", "nesterov")
    )

    assert (plain, carried, looking_ahead) == pytest.approx((0.8, 0.75, 0.675))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_optimizer_takes_the_rates_that_were_drawn(schedule: str) -> None:
    import keras

    from training.trainer.loss_and_optimizer import make_optimizer, make_schedule

    chosen = config(schedule=schedule, optimizer="sgd", weight_decay=0)
    optimizer = make_optimizer(chosen, make_schedule(chosen, 0.1, [3] * 8))

    optimizer.build([keras.Variable(1.0)])

    taken = []
    for _ in range(24):
        taken.append(float(optimizer.learning_rate))
        optimizer.apply([np.float32(1)])

    assert taken == pytest.approx(phase_rates(chosen, 0.1, [3] * 8).tolist(), rel=1e-6)


def test_the_average_of_the_weights_follows_them_slowly() -> None:
    import keras

    from training.trainer.loss_and_optimizer import make_optimizer

    weight = keras.Variable(1.0, name="kernel")
    optimizer = make_optimizer(config(optimizer="sgd", weight_averaging=0.9, weight_decay=0), 1.0)
    optimizer.build([weight])
    for _ in range(2):
        optimizer.apply([np.float32(1)])
    last = float(weight.numpy())
    optimizer.finalize_variable_values([weight])

    assert last == -1
    assert last < float(weight.numpy()) < 1


def test_the_average_of_a_short_training_does_not_reach_back_to_its_start() -> None:
    from training.trainer.loss_and_optimizer import make_optimizer

    averaging = config(weight_averaging=0.99)

    assert make_optimizer(averaging, 0.1, num_steps=5000).ema_momentum == 0.99
    assert make_optimizer(averaging, 0.1, num_steps=100).ema_momentum == pytest.approx(0.9)  # over ten steps or so
    assert make_optimizer(averaging, 0.1, num_steps=5).ema_momentum == 0


def test_the_losses_are_the_textbooks() -> None:
    from training.trainer.loss_and_optimizer import make_loss

    probabilities = np.array([[0.7, 0.2, 0.1]], dtype="float32")
    smoothed = -(0.8 * np.log(0.7) + 0.1 * np.log(0.2) + 0.1 * np.log(0.1))
    first = np.eye(3, dtype="float32")[[0]]

    assert float(make_loss(config())(first, probabilities)) == pytest.approx(-np.log(0.7))
    assert float(make_loss(config(label_smoothing=0.3))(first, probabilities)) == pytest.approx(smoothed)
    assert float(make_loss(config(loss="mean_squared_error"))(first, probabilities)) == pytest.approx(0.14 / 3)


def test_blended_pictures_count_in_the_shares_of_their_classes() -> None:
    from training.trainer.loss_and_optimizer import make_loss

    probabilities, shares = np.array([[0.7, 0.2, 0.1]], "float32"), np.array([[0.6, 0.4, 0]], "float32")
    squares = (0.1**2 + 0.2**2 + 0.1**2) / 3

    assert float(make_loss(config())(shares, probabilities)) == pytest.approx(-0.6 * np.log(0.7) - 0.4 * np.log(0.2))
    assert float(make_loss(config(loss="mean_squared_error"))(shares, probabilities)) == pytest.approx(squares)
