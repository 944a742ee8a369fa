"""Rows of an installation go through a migration, and back, with all that hangs on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.apps.registry import Apps
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.migrations.loader import MigrationLoader

from tests.types import AddPictures
from training.models import Recognizer, Search, TrainingRun
from training.runs.search import make_tables

pytestmark = pytest.mark.django_db(transaction=True)

STUDIES = "0003_training_one_can_trust"  # the last migration that called a search so


@pytest.fixture
def back_to() -> Iterator[Callable[[str], Apps]]:
    """Takes the tables of training back to a migration; gives the models of that time."""

    def go_back(name: str) -> Apps:
        call_command("migrate", "training", name, verbosity=0)
        return MigrationLoader(connection).project_state([("training", name)]).apps

    yield go_back
    forward()


def forward() -> None:
    call_command("migrate", verbosity=0)


@pytest.fixture
def search(recognizer: Recognizer) -> Search:
    search = recognizer.searches.create(config={"epochs": 3}, space={}, max_runs=2)
    search.best_run = recognizer.runs.create(config={"epochs": 3}, search=search, trial_number=0)
    search.final_run = recognizer.runs.create(config={"epochs": 3})
    search.save()
    return search


def constraints(table: str) -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, table))


def test_a_search_was_a_study_and_is_a_search_again(
    search: Search, staff: User, back_to: Callable[[str], Apps]
) -> None:
    """One way there and back, which takes long: rows, optuna's tables beside them, constraints and permissions."""
    make_tables()
    values, name = Search.objects.values().get(), search.storage_name

    models = back_to(STUDIES)
    studies = list(models.get_model("training", "Study").objects.values())
    studies_of_runs = models.get_model("training", "TrainingRun").objects.order_by("pk").values_list("study", flat=True)
    assert (studies, list(studies_of_runs)) == ([values], [search.pk, None])
    constraints_before = constraints("training_study")
    staff.user_permissions.add(Permission.objects.get(codename="change_study"))

    forward()
    assert Search.objects.values().get() == values
    assert list(search.trials) == [search.best_run]
    _is_beside_optunas_own_tables(name)
    _constraints_have_new_names(constraints_before, constraints("training_search"))
    _whoever_might_change_studies_may_change_searches(staff)
    with pytest.raises(IntegrityError):
        TrainingRun.objects.create(recognizer=search.recognizer, config={}, search=search, trial_number=0)


def _is_beside_optunas_own_tables(name: str) -> None:
    tables = connection.introspection.table_names()
    assert Search.objects.get().storage_name == name
    assert {"studies", "training_search"} <= set(tables)
    assert "training_study" not in tables


def _constraints_have_new_names(before: set[str], after: set[str]) -> None:
    for name in ("{}_state_is_known", "{}_has_a_budget", "an_ended_{}_says_when"):
        assert name.format("study") in before - after
        assert name.format("search") in after - before


def _whoever_might_change_studies_may_change_searches(staff: User) -> None:
    given = staff.user_permissions.get()
    assert (given.natural_key(), given.name) == (("change_search", "training", "search"), "Can change search")
    assert not Permission.objects.filter(codename__endswith="study").exists()


def test_what_an_import_took_before_it_was_cut_off_is_its_own_after_the_update(
    recognizer: Recognizer, add_pictures: AddPictures, back_to: Callable[[str], Apps]
) -> None:
    (early,) = add_pictures(recognizer)
    waits = recognizer.imports.create(name="waits.zip")
    cut_off = recognizer.imports.create(name="cut off.zip")
    cut_off.claim("reader@there")
    (taken,) = add_pictures(recognizer)

    back_to("0008_page_words")
    forward()

    came_with = dict(recognizer.pictures.values_list("pk", "came_with"))
    assert came_with == {early.pk: None, taken.pk: cut_off.pk}
    assert not waits.pictures.exists()
