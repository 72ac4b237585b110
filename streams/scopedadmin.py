"""Who sees and does what in the administration: it follows the channels within somebody's reach, on every page.

Django's own permissions say nothing here. An admin class names the way from its rows to their channel, and as what one
must look after that channel to see them, and to change them; lists, pages, choices of forms and filters, searches and
actions all begin with that. Whatever is written is in the audit log.
"""

from typing import Any, ClassVar, NamedTuple

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import TabularInline

from streams.audit import note
from streams.models import Channel
from streams.models.channel import ChannelQuerySet
from streams.reach import Reach, Role, reach_of
from streams.sealed import SealedTextField
from streamstats.lib.admin import LargeTableAdmin

# What a row holds under such names is nobody's to read, and entries of the audit log stay for ever. `extra_data` is
# where a login with Twitch keeps its tokens, `sealed` whom an erasure took away.
SECRETS = ("password", "digest", "secret", "token", "session_key", "extra_data", "sealed")


class Told(list[Any]):
    """What Django's log of the administration is told of a change, and what the values were before and after."""

    def __init__(self, message: list[Any], detail: dict[str, Any]) -> None:
        super().__init__(message)
        self.detail = detail


class Sure(NamedTuple):
    """What somebody is asked before a deed: the question, about what, what it means, and the word on the button."""

    title: str
    thing: str
    words: str
    deed: str


class ScopedAdmin(LargeTableAdmin):
    """Rows of channels, for those who look after them.

    `channel_path` leads from a row to its channel, as in a query; None where rows are of no one channel: then only
    superusers see any, unless `within_reach` says otherwise. The roles say as what one must be there: Role.MODERATOR
    (owners and staff are that, too), Role.OWNER (superusers are that, too), Role.SUPERUSER; None is nobody.
    """

    channel_path: ClassVar[str | None] = "channel"
    seen_by: ClassVar[Role] = Role.MODERATOR
    added_by: ClassVar[Role | None] = None
    changed_by: ClassVar[Role | None] = None
    deleted_by: ClassVar[Role | None] = None

    # What is within reach.

    def within_reach(self, reach: Reach, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of these rows that may be seen."""
        if self.channel_path is None or self.seen_by is Role.SUPERUSER:
            return rows if reach.is_superuser else rows.none()
        return reach.limit(rows, self.channel_path, owned=self.seen_by is Role.OWNER)

    def channels_within(self, request: HttpRequest, least: Role | None = None) -> ChannelQuerySet:
        """The channels to choose from: those whose rows may be seen, or where one is at least this."""
        role = least or self.seen_by
        channels = Channel.objects.all()
        if role is Role.SUPERUSER and not reach_of(request.user).is_superuser:
            return channels.none()
        within: Any = reach_of(request.user).limit(channels, "pk", owned=role is Role.OWNER)
        found: ChannelQuerySet = within
        return found

    def channel_id_of(self, obj: Model) -> int | None:
        """The key of a row's channel."""
        if self.channel_path is None:
            return None
        *way, last = self.channel_path.split("__")
        for name in way:
            obj = getattr(obj, name)
        found: int | None = obj.pk if last == "pk" else getattr(obj, f"{last}_id")
        return found

    def viewer_id_of(self, obj: Model) -> str:
        """The Twitch id of whom a row is about, for the audit log; empty for nobody."""
        return str(getattr(obj, "viewer_id", None) or "")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self.within_reach(reach_of(request.user), super().get_queryset(request))

    def get_field_queryset(self, db: Any, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        """In forms, only those channels can be chosen in which one may write."""
        found: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)
        if db_field.remote_field.model is not Channel:
            return found
        return self.channels_within(request, self.added_by or self.changed_by or Role.SUPERUSER)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Where there is one channel to choose, it is chosen."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and getattr(db_field.remote_field, "model", None) is Channel:
            if self.added_by:
                only = list(field.queryset[:2])
                field.initial = only[0] if len(only) == 1 else None
            for deed in ("add", "change", "delete", "view"):
                setattr(field.widget, f"can_{deed}_related", False)
        return field

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Nothing here is made by the dozen."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": context.get("original") is not None}
        return super().render_change_form(request, context, *args, **kwargs)

    # Who may do what. Django asks without a row whether there may be any.

    def may(self, request: HttpRequest, role: Role | None, obj: Model | None = None) -> bool:
        """Whether one is at least this where the row is; without a row, anywhere."""
        reach = reach_of(request.user)
        if role is None or reach.is_superuser:
            return role is not None
        if role is Role.SUPERUSER or (self.channel_path is None and self.seen_by is Role.SUPERUSER):
            return False
        if obj is None or self.channel_path is None:
            return bool(reach.owned) if role is Role.OWNER else bool(reach)
        channel_id = self.channel_id_of(obj)
        if channel_id is None:
            return False
        return reach.owns(channel_id) if role is Role.OWNER else reach.moderates(channel_id)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.seen_by)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may(request, self.seen_by, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, self.added_by)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may(request, self.changed_by, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.may(request, self.deleted_by, obj)

    # Pages of one's own making.

    def are_you_sure(self, request: HttpRequest, obj: Model, sure: Sure, form: Any = None) -> HttpResponse:
        """The page that asks before a deed; it posts to its own address."""
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])
        context = {**self.admin_site.each_context(request), **sure._asdict(), "opts": self.opts}
        return TemplateResponse(request, "admin/streams/sure.html", {**context, "form": form, "back": back})

    # What was done.

    def note_deed(self, request: HttpRequest, deed: str, obj: Model, detail: dict[str, Any]) -> None:
        """Write into the audit log what somebody did to a row: `deed` is a verb, such as change."""
        note(
            request.user,  # type: ignore[arg-type]  # nobody gets here without logging in
            f"{self.opts.model_name}.{deed}",
            channel=self.channel_id_of(obj),
            viewer_id=self.viewer_id_of(obj),
            target=obj,
            detail=detail,
        )

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Told:
        message = super().construct_change_message(request, form, formsets, add)
        names = [name for name in form.changed_data if name in form.cleaned_data and not is_secret(name)]
        after = {name: plain(form.cleaned_data[name]) for name in names}
        before = {} if add else {"before": {name: plain(form.initial.get(name)) for name in names}}
        return Told(message, {**before, "after": after})

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self.note_deed(request, "add", obj, told(message))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self.note_deed(request, "change", obj, told(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            self.note_deed(request, "delete", obj, {"before": values(obj)})
        return super().log_deletions(request, queryset)


class FactAdmin(ScopedAdmin):
    """Rows that were observed: they can be looked at, and nothing else."""


class SiteFactAdmin(FactAdmin):
    """Facts of the whole site."""

    channel_path = None
    seen_by = Role.SUPERUSER


class ScopedInline(TabularInline):  # type: ignore[misc]  # of a library without types
    """Rows shown on the page of what they belong to, to whoever sees that; they are not changed there."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def told(message: Any) -> dict[str, Any]:
    """The detail of an entry: before and after, or the words that were logged."""
    return message.detail if isinstance(message, Told) else {"told": message}


def values(obj: Model) -> dict[str, Any]:
    """What a row that goes consisted of, without its secrets."""
    fields = obj._meta.concrete_fields  # noqa: SLF001 - Django's own
    told = [field for field in fields if not isinstance(field, SealedTextField) and not is_secret(field.name)]
    return {field.name: plain(field.value_from_object(obj)) for field in told}


def is_secret(name: str) -> bool:
    """Whether what is called so must not be written down."""
    return any(word in name for word in SECRETS)


def plain(value: Any) -> Any:
    """A value as JSON can say it."""
    key = value.pk if isinstance(value, Model) else value
    return key if key is None or isinstance(key, bool | int | float | str) else str(key)
