"""What every admin page here has in common: quick on tables of any length. Who sees what: streams/scopedadmin.py."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
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


def of_row(page: Callable[[Any, HttpRequest, Any], HttpResponse]) -> Callable[..., HttpResponse]:
    """For a page of one row, which is given that row; whoever may not see it is led away, as Django does."""

    @wraps(page)
    def shown(
        model_admin: Any, request: HttpRequest, object_id: object, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = model_admin.get_object(request, str(object_id))
        if row is None:
            away: HttpResponse = model_admin._get_obj_does_not_exist_redirect(  # noqa: SLF001 - Django's own
                request, model_admin.opts, str(object_id)
            )
            return away
        return page(model_admin, request, row)

    return shown


class FixedOrder(ChangeList):  # type: ignore[misc]  # of a library without types
    """Sorts only as the admin class says: that order has an index, one made up in the address has not."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.get_ordering(request))


EXACT = {"exact", "in", "isnull", "gt", "gte", "lt", "lte"}


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

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """In addresses rows are asked for by values and ranges. Django would take patterns, too, which read every row,
        run for minutes where they are made for it, and fail where they are none.
        """
        if lookup in self._own_parameters(request):  # a filter of ours reads it
            return True
        if "\x00" in value or not _is_exact(self.model, lookup):
            return False
        allowed: bool = super().lookup_allowed(lookup, value, request)
        return allowed

    def _own_parameters(self, request: HttpRequest) -> set[str]:
        own = (each for each in self.get_list_filter(request) if isinstance(each, type))
        return {each.parameter_name for each in own if issubclass(each, SimpleListFilter) and each.parameter_name}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        """The first row of that id: in a partitioned table, an id is unique only together with its other columns."""
        if "\x00" in object_id:  # which Postgres takes for no text at all
            return None
        try:
            found: Model | None = super().get_object(request, object_id, from_field)
        except self.model.MultipleObjectsReturned:
            found = self.get_queryset(request).filter(pk=object_id).first()
        return found


def _is_exact(model: Any, lookup: str) -> bool:
    """Whether a lookup names a column, perhaps of another table, and compares whole values; no part of one is asked."""
    names = lookup.split(LOOKUP_SEP)
    while names and model is not None:
        try:
            field = model._meta.pk if names[0] == "pk" else model._meta.get_field(names[0])  # noqa: SLF001 - Django's own
        except FieldDoesNotExist:
            break
        model, names = field.related_model, names[1:]
    return len(names) == 0 or (len(names) == 1 and (names[0] in EXACT or names[0] == lookup))
