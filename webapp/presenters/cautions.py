"""What may go wrong with a training that has not begun, and what to do about it: a sentence each."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from training.config.choices import LITES
from training.config.pretrained_weights import are_at_hand
from training.runs.requests import NONE_TO_CHOOSE_BY, RunRequest
from webapp.presenters.plans import SMALL_CLASS, Plan, SmallClass
from webapp.presenters.setting_names import NETWORKS

MOST_SENTENCES = 3  # on single classes; more of them are said in one
MOST_NAMES = 10  # in that one


def cautions(plan: Plan, request: RunRequest) -> list[str]:
    """In the order of what is done about them first: pictures, then the network."""
    others = (_on_choosing(plan, request), _on_download(request))
    return [*_on_classes(plan.small_classes), *(each for each in others if each)]


def _on_classes(few: list[SmallClass]) -> list[str]:
    if len(few) <= MOST_SENTENCES:
        return [_on_class(each) for each in few]
    named = [f"{each.name} ({each.num_pictures})" for each in few[:MOST_NAMES]]
    values = {
        "count": len(few),
        "enough": SMALL_CLASS,
        "classes": pgettext("list", ", ").join(named) + (" …" if len(few) > MOST_NAMES else ""),
    }
    return [
        _(
            "%(count)d classes have few pictures: %(classes)s. With %(enough)d or more of each, their answers become "
            "reliable."
        )
        % values
    ]


def _on_class(each: SmallClass) -> str:
    sentence = ngettext(
        "“%(name)s” has %(count)d picture; with %(enough)d or more its answers become reliable.",
        "“%(name)s” has %(count)d pictures; with %(enough)d or more its answers become reliable.",
        each.num_pictures,
    )
    return sentence % {"name": each.name, "count": each.num_pictures, "enough": SMALL_CLASS}


def _on_choosing(plan: Plan, request: RunRequest) -> str:
    """That the run would fail for want of pictures to choose by; empty where it needs none."""
    if plan.num_validation or request.is_network_open or request.config.is_found_at_once:
        return ""
    return _(NONE_TO_CHOOSE_BY)


def _on_download(request: RunRequest) -> str:
    """That a training begins with a download; empty where what it begins with is here, or comes along."""
    config = request.config
    if request.is_network_open or not config.is_fine_tuned or config.network in LITES:
        return ""
    if are_at_hand(config.network, config.image_size):
        return ""
    return _(
        "What %(network)s knows of photos is not on this machine yet: it is downloaded first, once. Without the "
        "internet, choose another network in the settings."
    ) % {"network": NETWORKS[config.network].title}
