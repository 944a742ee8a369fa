"""What the first steps of a training tell of all of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.results.stored import Stored


@dataclass(frozen=True)
class DryRun(Stored):
    """What was measured, and what follows for the whole training on the same machine."""

    expected_seconds: float  # from Start to the version
    largest_batch: int  # pictures that fit into memory
    device: str
    seconds_per_step: float = 0.0  # of the last phase, which takes longest
    presets: dict[str, float] = field(default_factory=dict)  # expected seconds of each, where a network is to be chosen

    def seconds_of(self, preset: str) -> float:
        """From Start to the version, with a preset where it was measured for all of them."""
        return self.presets.get(preset, self.expected_seconds)
