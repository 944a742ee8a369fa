"""What a training run is to be: its settings, their limits, presets, and what a search may try."""

from training.config.training_config import TrainingConfig

__all__ = ["TrainingConfig"]
