"""What a look inside a network found, layer by layer; the drawings lie in files beside."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.results.stored import Stored


@dataclass(frozen=True)
class Drawing:
    name: str  # of its file, without the ending
    width: int  # pixels
    height: int


@dataclass(frozen=True)
class Histogram:
    """How often values of a layer fall between `low` and `high`, in bins of equal width."""

    low: float
    high: float
    mean: float
    deviation: float
    zeros: float  # share of 1 that is exactly zero
    counts: list[int]


@dataclass(frozen=True)
class Score:
    label: str
    probability: float


@dataclass(frozen=True)
class FirstFilters(Stored):
    """The filters of the first layer that looks at pixels, or its units where it looks at all pixels at once."""

    layer: str
    kind: str
    drawing: Drawing
    count: int
    shown: int
    height: int  # pixels, of one filter
    width: int


@dataclass(frozen=True)
class InspectedLayer:
    name: str
    kind: str  # its class in Keras
    shape: list[int]  # of its output, without the batch
    trainable: int  # parameters that learn
    frozen: int  # parameters that do not
    weights: Histogram | None = None
    activations: Histogram | None = None
    is_drawn: bool = False  # whether a drawing of it would tell something
    is_chosen: bool = False  # among those that are shown first
    drawing: Drawing | None = None
    channels: list[int] = field(default_factory=list)  # those that are drawn, the strongest first


@dataclass(frozen=True)
class InspectionResult(Stored):
    image_size: int
    input: Drawing  # the picture as the network gets it
    filters: FirstFilters | None  # None where they cannot be shown as pictures
    layers: list[InspectedLayer]
    trainable: int
    frozen: int
    scores: list[Score] = field(default_factory=list)  # all classes, the most probable first
