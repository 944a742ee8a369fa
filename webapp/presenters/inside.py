"""Looking inside a version: asking for it once for each picture, and what its page shows of what was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from training import storage
from training.data.images import Ingested
from training.models import Job, LabelNames, ModelVersion, Picture, Recognizer
from training.results.inspection_result import Drawing, FirstFilters, Histogram, InspectedLayer, InspectionResult

NUM_EXAMPLES = 12
BEST = 5  # classes of the answer
HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT = 140, 32  # pixels
NOBODY_CAME = timedelta(seconds=20)  # a worker that is free takes a job within a second
START_JOBS = "honcho start jobs"

DEPTHS = (  # of the layers that are shown first, a third each
    (gettext_lazy("Edges and colours"), gettext_lazy("The first layers see the picture nearly as it is.")),
    (gettext_lazy("Textures and parts"), gettext_lazy("The next ones put edges together: corners, patterns, parts.")),
    (gettext_lazy("Whole things"), gettext_lazy("The last ones react to what is shown, wherever it is.")),
)
KINDS = {
    "InputLayer": gettext_lazy("takes the picture in"),
    "Rescaling": gettext_lazy("brings the pixels from 0–255 to small numbers around zero"),
    "Normalization": gettext_lazy("brings the pixels from 0–255 to small numbers around zero"),
    "Conv2D": gettext_lazy("slides small filters over all channels; each filter makes one new map"),
    "DepthwiseConv2D": gettext_lazy("slides one filter over each channel by itself"),
    "SeparableConv2D": gettext_lazy("a filter for each channel by itself, then a mix of the channels"),
    "BatchNormalization": gettext_lazy("brings every channel to a similar range, which lets deep networks learn"),
    "LayerNormalization": gettext_lazy("brings all channels of a place to a similar range"),
    "Activation": gettext_lazy("bends the values, for example by cutting negative ones off"),
    "ReLU": gettext_lazy("cuts negative values off"),
    "LeakyReLU": gettext_lazy("makes negative values small"),
    "ZeroPadding2D": gettext_lazy("puts an empty border around the maps"),
    "MaxPooling2D": gettext_lazy("keeps the largest value of each small square: the maps become coarser"),
    "AveragePooling2D": gettext_lazy("keeps the mean of each small square: the maps become coarser"),
    "GlobalAveragePooling2D": gettext_lazy("keeps the mean of each map: where something is no longer counts"),
    "Add": gettext_lazy("adds the maps of an earlier layer, a short cut past the block"),
    "Multiply": gettext_lazy("weighs each map with how much it matters"),
    "Concatenate": gettext_lazy("puts the maps of several paths side by side"),
    "Flatten": gettext_lazy("writes all maps into one long row of numbers"),
    "Dense": gettext_lazy("weighs all numbers at once; each unit has a weight for every one"),
    "Dropout": gettext_lazy("leaves values out at random while training; does nothing here"),
    "Identity": gettext_lazy("passes on what it gets; it marks a place in the network"),
}


# --- asking
def examples(recognizer: Recognizer) -> QuerySet[Picture]:
    """A few pictures of different labels, rather those that no training has seen."""
    unseen_first: list[Case | F] = [Case(When(split="test", then=Value(0)), default=Value(1)), F("pk")]
    number = Window(RowNumber(), partition_by=F("label"), order_by=unseen_first)
    pictures = Picture.objects.filter(recognizer=recognizer).select_related("label")
    return pictures.annotate(number_of_label=number).order_by("number_of_label", "label")[:NUM_EXAMPLES]


def ask(version: ModelVersion, picture: Picture | Ingested, by: User) -> Job:
    """Have a version looked inside; the same picture again leads to what was found, or is being found, already."""
    asked = inspections(version).filter(params__sha256=picture.sha256, cancel_requested=False)
    present = asked.exclude(state=Job.State.FAILED).first()
    if present:
        return present
    with transaction.atomic():
        job: Job = version.jobs.create(recognizer=version.recognizer, kind=Job.Kind.INSPECTION, started_by=by)
        job.params = {"sha256": picture.sha256, "file": _stored(picture, job)}
        job.save(update_fields=["params"])
        transaction.on_commit(job.nudge)
    return job


def _stored(picture: Picture | Ingested, job: Job) -> str:
    if isinstance(picture, Picture):
        return picture.file
    name = f"{job.folder}/picture.webp"
    storage.keep_bytes(picture.data, name)
    return name


def inspections(version: ModelVersion) -> QuerySet[Job]:
    return Job.objects.filter(version=version, kind=Job.Kind.INSPECTION)


@dataclass(frozen=True)
class LatestFilters:
    job: int  # key of the job that has the drawing
    filters: FirstFilters


def latest_filters(version: ModelVersion) -> LatestFilters | None:
    """The first layer's filters as the latest look inside found them; None where there was none."""
    done = inspections(version).filter(state=Job.State.DONE)
    found = done.values("pk", "result__filters").first()  # the whole result is long
    if not found or not found["result__filters"]:
        return None
    return LatestFilters(found["pk"], FirstFilters.from_dict(found["result__filters"]))


def what_it_waits_for(job: Job) -> str:
    """Empty for a job that waits no more."""
    if job.state != Job.State.QUEUED:
        return ""
    num_before = Job.objects.unfinished().filter(pk__lt=job.pk).count()
    if num_before:
        return ngettext("%(count)d job is before it.", "%(count)d jobs are before it.", num_before) % {
            "count": num_before
        }
    if timezone.now() - job.created_at > NOBODY_CAME:
        return _("No worker has taken it yet. “%(command)s” starts one.") % {"command": START_JOBS}
    return _("It waits for a worker.")


# --- showing
@dataclass(frozen=True)
class Bars:
    """A histogram as its page draws it."""

    path: str  # of an SVG whose size is HISTOGRAM_WIDTH x HISTOGRAM_HEIGHT
    low: str
    high: str
    mean: str
    deviation: str
    zeros: float  # share of 1

    @classmethod
    def of(cls, histogram: Histogram | None) -> Bars | None:
        if histogram is None:
            return None
        return cls(
            path=outline(histogram.counts),
            low=f"{histogram.low:.3g}",
            high=f"{histogram.high:.3g}",
            mean=f"{histogram.mean:.3g}",
            deviation=f"{histogram.deviation:.3g}",
            zeros=histogram.zeros,
        )


def outline(counts: list[int]) -> str:
    """The bars of a histogram as one SVG path; a bin with a single value is still seen."""
    width, most = HISTOGRAM_WIDTH / len(counts), max(counts)
    bars = []
    for number, count in enumerate(counts):
        height = max(HISTOGRAM_HEIGHT * count / most, 0.75) if count else 0
        if height:
            bars.append(f"M{width * number:g} {HISTOGRAM_HEIGHT}v-{height:.3g}h{width:g}v{height:.3g}z")
    return "".join(bars)


@dataclass(frozen=True)
class Layer:
    """A layer as its page shows it."""

    number: int
    name: str
    kind: str
    shape: str
    trainable: int
    frozen: int
    weights: Bars | None
    activations: Bars | None
    drawing: Drawing | None
    num_shown: int  # channels; 0 where units are shown
    num_channels: int
    is_chosen: bool

    @classmethod
    def of(cls, number: int, layer: InspectedLayer) -> Layer:
        return cls(
            number=number,
            name=layer.name,
            kind=layer.kind,
            shape=" × ".join(map(str, layer.shape)),
            trainable=layer.trainable,
            frozen=layer.frozen,
            weights=Bars.of(layer.weights),
            activations=Bars.of(layer.activations),
            drawing=layer.drawing,
            num_shown=len(layer.channels),
            num_channels=layer.shape[-1],
            is_chosen=layer.is_chosen,
        )


@dataclass(frozen=True)
class Depth:
    """Layers that see about as much of the picture."""

    title: str
    sentence: str
    layers: list[Layer]


def layers_of(result: InspectionResult) -> list[Layer]:
    return [Layer.of(number, layer) for number, layer in enumerate(result.layers)]


def depths(layers: list[Layer]) -> Iterator[Depth]:
    """The chosen layers in thirds, from the first to the last."""
    chosen = [each for each in layers if each.is_chosen]
    numbered = enumerate(chosen)
    for third, some in groupby(numbered, lambda each: each[0] * len(DEPTHS) // len(chosen)):
        title, sentence = DEPTHS[third]
        yield Depth(str(title), str(sentence), [layer for _, layer in some])


def kinds_of(layers: list[Layer]) -> list[tuple[str, str]]:
    """What each kind of layer that occurs does, in the order of the network."""
    return [(kind, str(KINDS[kind])) for kind in dict.fromkeys(each.kind for each in layers) if kind in KINDS]


@dataclass(frozen=True)
class ScoreShown:
    name: str
    percent: float


def scores_of(result: InspectionResult, names: LabelNames) -> list[ScoreShown]:
    """The most probable classes by name."""
    return [ScoreShown(names[each.label], 100 * each.probability) for each in result.scores[:BEST]]
