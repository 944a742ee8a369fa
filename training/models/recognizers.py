"""What is recognised: a recognizer and its labels."""

from __future__ import annotations

from typing import Any, Self

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from training import storage
from training.errors import StillInUse, UnknownRecognizer
from training.messages import N_
from training.models.edits import Edited


class NamedInTwoLanguages(models.Model):
    """Names in English and Chinese; where one is missing the other serves."""

    name_en = models.CharField(_("name in English"), max_length=100, blank=True)
    name_zh = models.CharField(_("name in Chinese"), max_length=100, blank=True)

    class Meta:
        abstract = True

    @property
    def name(self) -> str:
        return in_active_language(self.name_en, self.name_zh)


def in_active_language(english: str, chinese: str) -> str:
    """The text in the visitor's language, or the other one where that is empty."""
    first, second = (chinese, english) if (get_language() or "").startswith("zh") else (english, chinese)
    return first or second


class LabelNames(dict[str, str]):
    """Names by key. A version may know a class whose label is gone by now; its key is its name then."""

    def __missing__(self, key: str) -> str:
        return key


def _count_of(name: str) -> Coalesce:
    """How many rows of a related table belong to each recognizer."""
    related: Any = Recognizer._meta.get_field(name).related_model
    counted = related.objects.filter(recognizer=OuterRef("pk")).order_by().values("recognizer")
    return Coalesce(Subquery(counted.annotate(count=Count("pk")).values("count")), 0)


class RecognizerQuerySet(models.QuerySet["Recognizer"]):
    def open_to_visitors(self) -> Self:
        """Public and with a version that answers."""
        return self.filter(is_public=True, versions__is_active=True)

    def named(self, slug: str) -> Recognizer:
        """Raises: UnknownRecognizer naming those there are."""
        try:
            return self.get(slug=slug)
        except Recognizer.DoesNotExist:
            known = ", ".join(Recognizer.objects.values_list("slug", flat=True)) or "–"
            raise UnknownRecognizer(
                N_("There is no recognizer “%(slug)s”. There are: %(known)s."), slug=slug, known=known
            ) from None

    def with_counts(self) -> Self:
        """Counted apart: joined, thousands of pictures and hundreds of labels would be millions of rows."""
        return self.annotate(num_pictures=_count_of("pictures"), num_labels=_count_of("labels"))


class Recognizer(NamedInTwoLanguages, Edited):
    """One domain, such as garbage or birds, with its labels, pictures, runs and versions."""

    EDITED = (
        *("name_en", "name_zh", "slug", "description_en", "description_zh", "is_public", "is_drawn"),
        *("is_mirror_safe", "validation_share", "test_share"),
    )

    slug = models.SlugField(
        _("address"),
        unique=True,
        max_length=50,
        validators=[RegexValidator(r"^[a-z0-9]+(-[a-z0-9]+)*$", _("Use lower-case letters, digits and hyphens."))],
        help_text=_("Short name in the page's address: lower-case letters, digits and hyphens."),
    )
    description_en = models.TextField(_("description in English"), max_length=1000, blank=True)
    description_zh = models.TextField(_("description in Chinese"), max_length=1000, blank=True)
    is_public = models.BooleanField(_("visitors may use it"), default=True)
    is_drawn = models.BooleanField(
        _("visitors draw the picture"),
        default=False,
        help_text=_("Shows a canvas to draw on beside the upload."),
    )
    is_mirror_safe = models.BooleanField(
        _("a mirrored picture shows the same"),
        null=True,
        blank=True,
        help_text=_(
            "Not so for traffic signs, letters and hands. "
            "Where you don't say, it is found out when a network is chosen."
        ),
    )
    validation_share = models.FloatField(
        _("share to choose by"),
        default=0.15,
        validators=[MinValueValidator(0.05), MaxValueValidator(0.3)],
        help_text=_("Share of the pictures to choose the best epoch by, from 0.05 to 0.3."),
    )
    test_share = models.FloatField(
        _("share it never sees"),
        default=0.15,
        validators=[MinValueValidator(0.05), MaxValueValidator(0.3)],
        help_text=_("Share of the pictures kept back for the final figures, from 0.05 to 0.3."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RecognizerQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(name_en="", name_zh=""),
                name="recognizer_has_a_name",
                violation_error_message=_("Give it a name in at least one language."),
            )
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def description(self) -> str:
        return in_active_language(self.description_en, self.description_zh)

    def label_names(self) -> LabelNames:
        """Name in the active language of every label, by key."""
        return LabelNames({label.key: label.name for label in self.labels.all()})

    def folders(self) -> list[str]:
        """Where its files lie in the store, but for zips that wait to be read."""
        runs = [f"checkpoints/{pk}" for pk in self.runs.values_list("pk", flat=True)]
        jobs = [f"jobs/{pk}" for pk in self.jobs.values_list("pk", flat=True)]
        return [f"pictures/{self.pk}", f"versions/{self.pk}", *runs, *jobs]

    def check_removable(self) -> None:
        """Raises: StillInUse while visitors use it, or a run of it waits or works."""
        if Recognizer.objects.open_to_visitors().filter(pk=self.pk).exists():
            raise StillInUse(N_("Visitors use it. Switch “visitors may use it” off first."))
        run = self.runs.unfinished().first()
        if run:
            raise StillInUse(N_("Cancel run %(number)d first."), number=run.pk)

    def remove(self) -> None:
        """Delete it with its pictures, runs, versions and answers, then every file of theirs. Raises: StillInUse."""
        with transaction.atomic():
            Recognizer.objects.select_for_update().filter(pk=self.pk).first()  # nothing is published or begun meanwhile
            self.check_removable()
            archives = self.imports.exclude(archive="").values_list("archive", flat=True)
            storage.forget_on_commit(self.folders(), list(archives))
            self.pictures.all().delete()  # in one statement each: they may be many, and labels and runs wait for them
            self.versions.all().delete()
            self.delete()


class Label(NamedInTwoLanguages, Edited):
    """One class of a recognizer; its key is the class folder's name."""

    EDITED = ("name_en", "name_zh")

    recognizer = models.ForeignKey(Recognizer, models.CASCADE, related_name="labels")
    key = models.CharField(_("name (of its folder)"), max_length=100)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(
                fields=["recognizer", "key"],
                name="one_label_key_a_recognizer",
                violation_error_message=_("There is a label of that name already."),
            ),
            models.CheckConstraint(condition=~Q(key=""), name="label_has_a_key"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def name(self) -> str:
        return in_active_language(self.name_en, self.name_zh) or self.key.replace("_", " ")
