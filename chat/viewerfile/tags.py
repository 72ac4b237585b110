"""Tags of a channel's moderators for viewers: chosen from those that are there, or made by using one."""

from django.contrib.auth.models import User

from chat.viewerfile.deeds import File, NotDone, held, in_one_line
from streams import audit
from streams.models import Channel
from viewers.models import Tag, Tagging

LONGEST = 40
MOST = 200
"""Tags of one channel: a list that can still be chosen from."""
MOST_OF_ONE = 20


def put_on(file: File, name: str, by: User) -> Tagging | None:
    """Put a tag on a viewer, made where the channel has none of that name; None where it is on them. Raises NotDone.

    Names that differ in capitals only are one.
    """
    name = in_one_line(name)
    if not name:
        raise NotDone("Choose a tag, or write a new one.")
    if len(name) > LONGEST:
        raise NotDone(f"A tag has at most {LONGEST} characters. A note has room for more.")
    with held(file, by):
        Channel.objects.select_for_update(no_key=True, of=("self",)).get(pk=file.channel.pk)  # of one name, one tag
        tag = Tag.objects.filter(channel=file.channel, name__iexact=name).first() or _made(file.channel, name)
        if Tagging.objects.filter(viewer=file.viewer, tag__channel=file.channel)[:MOST_OF_ONE].count() == MOST_OF_ONE:
            raise NotDone(f"There are {MOST_OF_ONE} tags on this viewer already. Take one off first.")
        tagging, is_new = Tagging.objects.get_or_create(tag=tag, viewer=file.viewer, defaults={"made_by": by})
        if is_new:
            _tell(file, by, "tag.add", tag)
    return tagging if is_new else None


def take_off(file: File, tag_id: int, by: User) -> Tag:
    """Take a tag off a viewer; the channel keeps it for others. Raises Tag.DoesNotExist, NotDone."""
    with held(file, by):
        tag = Tag.objects.get(pk=tag_id, channel=file.channel)
        if Tagging.objects.filter(tag=tag, viewer=file.viewer).delete()[0]:
            _tell(file, by, "tag.remove", tag)
    return tag


def _made(channel: Channel, name: str) -> Tag:
    if Tag.objects.filter(channel=channel)[:MOST].count() == MOST:
        raise NotDone(f"{channel} has {MOST} tags already. Use one of these, or rename one.")
    return Tag.objects.create(channel=channel, name=name)


def _tell(file: File, by: User, action: str, tag: Tag) -> None:
    audit.note(by, action, channel=file.channel, viewer_id=file.viewer.pk, target=file.viewer, detail={"tag": tag.name})
