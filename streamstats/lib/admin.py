"""What every admin page here has in common: quick on tables of any length. Who sees what: streams/scopedadmin.py."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from streamstats.lib.paging import CappedPaginator


def once(shown: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """For what a page shows and has to look up: unfold asks for it several times, and is given what was found first."""

    @wraps(shown)
    def kept(model_admin: Any, obj: Any) -> Any:
        found = vars(obj).setdefault("shown_in_admin", {})
        if shown.__name__ not in found:
            found[shown.__name__] = shown(model_admin, obj)
        return found[shown.__name__]

    return kept


class FixedOrder(ChangeList):  # type: ignore[misc]  # of a library without types
    """Sorts only as the admin class says: that order has an index, one made up in the address has not."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.get_ordering(request))


class LargeTableAdmin(ModelAdmin):  # type: ignore[misc]  # of a library without types
    """`ordering` must follow an index, and end in a unique column."""

    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 50
    list_max_show_all = 50
    sortable_by: ClassVar[tuple[str, ...]] = ()
    view_on_site = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FixedOrder

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """The first row of that id: in a partitioned table, an id is unique only together with its other columns."""
        if "\x00" in object_id:  # which Postgres takes for no text at all
            return None
        try:
            found: Model | None = super().get_object(request, object_id, from_field)
        except self.model.MultipleObjectsReturned:
            found = self.get_queryset(request).filter(pk=object_id).first()
        return found
