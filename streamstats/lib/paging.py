"""Paging through tables that are too long to be counted."""

from typing import Any, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable at run time
    """Counts, and pages through, the first 10,000 rows at most.

    Counting stops there, in the order in which the database likes to find rows. An estimate from its
    statistics would tell more, but nobody turns to page 5,000: what lies beyond is reached by search and filters.
    """

    most = 10_000

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows.order_by()[: self.most].count()
