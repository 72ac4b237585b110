"""The database of the tests as a whole: its tables, and whether this user may write past triggers and foreign keys."""

from django.db import connection

LASTING = {"django_content_type", "auth_permission"}
"""What is there for every test."""


def our_tables() -> list[str]:
    """Every table of ours whose rows are a test's own."""
    return sorted(set(connection.introspection.django_table_names(include_views=False)) - LASTING)


def may_write_past_rules() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        return bool(cursor.fetchone()[0])
