"""The register of what is personal knows every column that could be."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models

from chat import personal
from viewers.models import Viewer

WORDS: tuple[type, ...] = (models.CharField, models.TextField, models.JSONField, models.BinaryField, ArrayField)
WORDS += (models.UUIDField, models.GenericIPAddressField, models.FileField)
PEOPLE = (Viewer, User)


def could_be_personal(field: Any) -> bool:
    return isinstance(field, WORDS) or field.related_model in PEOPLE


COLUMNS = [
    (model._meta.label, field.name)
    for model in apps.get_models(include_auto_created=True)
    for field in model._meta.concrete_fields
    if could_be_personal(field)
]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=str)
def test_every_column_that_could_say_something_of_a_person_is_in_the_register(table, column):
    assert table in personal.TABLES, f"say in chat/personal.py what becomes of {table} when somebody is erased"
    named = [name for names in personal.TABLES[table].columns for name in names.split()]
    paths = {name.partition("__")[0] for name in named}
    assert column in paths, f"say in chat/personal.py what becomes of {table}.{column} when somebody is erased"


@pytest.mark.parametrize("table", personal.TABLES)
def test_what_the_register_names_exists_and_is_named_once(table):
    named = [name for names in personal.TABLES[table].columns for name in names.split()]
    assert len(named) == len(set(named))
    for name in named:
        apps.get_model(table)._meta.get_field(name.partition("__")[0])


@pytest.mark.parametrize("table", personal.own_tables())
@pytest.mark.django_db
def test_the_rows_of_a_viewer_can_be_asked_for(table):
    assert not personal.rows_of(table, "nobody").exists()


def test_a_table_with_a_key_to_a_viewer_has_rows_of_viewers():
    with_key = {
        model._meta.label for model in apps.get_models() for f in model._meta.fields if f.related_model is Viewer
    }
    assert with_key <= set(personal.own_tables())
