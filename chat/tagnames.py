"""Renaming a tag of a channel; into one that is there already, both become one."""

from django.contrib.auth.models import User
from django.db import transaction

from chat.viewerfile.deeds import NotDone, in_one_line
from chat.viewerfile.tags import LONGEST
from streams import audit
from streams.models import Channel
from viewers.access import let_moderate
from viewers.models import Tag, Tagging


class Taken(Exception):
    """Another tag of the channel has that name: whether both become one has to be asked first."""

    def __init__(self, other: Tag) -> None:
        super().__init__(f"{other.channel} has a tag called {other} already.")
        self.other = other


def rename(tag: Tag, name: str, by: User, *, may_merge: bool = False) -> Tag:
    """Call a tag otherwise, and return the tag that there is then. Raises Taken, NotDone, PermissionDenied.

    Merged, everybody who had either has the other one's, and the one that was renamed is gone.
    """
    let_moderate(by, tag.channel)
    name = in_one_line(name)
    if not name:
        raise NotDone("Write what the tag should be called.")
    if len(name) > LONGEST:
        raise NotDone(f"A tag has at most {LONGEST} characters.")
    with transaction.atomic():
        Channel.objects.select_for_update(no_key=True, of=("self",)).get(pk=tag.channel_id)  # of one name, one tag
        held = Tag.objects.filter(pk=tag.pk).first()
        if held is None:
            raise NotDone("This tag is not there any more.")
        other = Tag.objects.filter(channel=tag.channel_id, name__iexact=name).exclude(pk=tag.pk).first()
        if other is None:
            return _called(held, name, by)
        if not may_merge:
            raise Taken(other)
        return _merged(held, other, by)


def _called(tag: Tag, name: str, by: User) -> Tag:
    if tag.name != name:
        detail = {"before": tag.name, "after": name}
        tag.name = name
        tag.save(update_fields=["name"])
        audit.note(by, "tag.rename", channel=tag.channel_id, target=name, detail=detail)
    return tag


def _merged(tag: Tag, other: Tag, by: User) -> Tag:
    both = Tagging.objects.filter(tag=other).values("viewer")
    moved = Tagging.objects.filter(tag=tag).exclude(viewer__in=both).update(tag=other)
    detail = {"before": tag.name, "after": other.name, "moved": moved}
    tag.delete()  # with those who had both
    audit.note(by, "tag.merge", channel=other.channel_id, target=other, detail=detail)
    return other
