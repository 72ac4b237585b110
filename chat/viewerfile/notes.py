"""Notes of moderators about a viewer. A version is only ever added; a note that is taken back stays, and says so."""

from django.contrib.auth.models import User
from django.utils import timezone

from chat.viewerfile.deeds import File, NotDone, cleaned, held
from streams import audit
from viewers.models import Note, NoteVersion

LONGEST = 5000
MOST = 200
"""Notes on one file: more would hide what matters, and be a way to fill the disk."""

GONE = "This note was taken back meanwhile. Write a new one, if there is something to say."


class Changed(NotDone):
    """Somebody saved another version meanwhile: `current` is the newest."""

    def __init__(self, current: NoteVersion) -> None:
        super().__init__(
            "Somebody changed this note while you were writing. Below is what it says now, and what you wrote: put"
            " together what should stay, and save again."
        )
        self.current = current


def write(file: File, text: str, by: User) -> Note:
    """Add a note. Raises NotDone."""
    text = _checked(text)
    with held(file, by):
        if Note.objects.filter(viewer=file.viewer, channel=file.channel)[:MOST].count() == MOST:
            raise NotDone(f"There are {MOST} notes about this viewer already. Edit one of them instead.")
        note = Note.objects.create(channel=file.channel, viewer=file.viewer)
        NoteVersion.objects.create(note=note, number=1, text=text, author=by)
        _tell(file, by, "note.write", note, 1)
    return note


def rewrite(file: File, note_id: int, text: str, by: User, *, based_on: int) -> NoteVersion | None:
    """Let a note say something else; None where it says that already. Raises Note.DoesNotExist, Changed, NotDone.

    `based_on` is the number of the version that the author had before their eyes.
    """
    text = _checked(text)
    with held(file, by):
        note = _standing(file, note_id)
        current = note.versions.latest("number")
        if current.text == text:
            return None
        if current.number != based_on:
            raise Changed(current)
        version = NoteVersion.objects.create(note=note, number=current.number + 1, text=text, author=by)
        _tell(file, by, "note.edit", note, version.number, before=current.number)
    return version


def take_back(file: File, note_id: int, by: User) -> Note:
    """Say that a note no longer holds: it moves below the others. Raises Note.DoesNotExist, NotDone."""
    with held(file, by):
        note = _standing(file, note_id)
        note.withdrawn_at, note.withdrawn_by = timezone.now(), by
        note.save(update_fields=["withdrawn_at", "withdrawn_by"])
        _tell(file, by, "note.withdraw", note, note.versions.latest("number").number)
    return note


def _checked(text: str) -> str:
    text = cleaned(text)
    if not text:
        raise NotDone("The note is empty. Write what other moderators should know.")
    if len(text) > LONGEST:
        raise NotDone(f"The note has {len(text):,} characters, and at most {LONGEST:,} are kept. Make it shorter.")
    return text


def _standing(file: File, note_id: int) -> Note:
    note = Note.objects.select_for_update(of=("self",)).get(pk=note_id, channel=file.channel, viewer=file.viewer)
    if note.withdrawn_at:
        raise NotDone(GONE)
    return note


def _tell(file: File, by: User, action: str, note: Note, version: int, **more: int) -> None:
    """What a note says stays with the note: an entry could never be corrected."""
    detail = {"note": note.pk, "version": version, **more}
    audit.note(by, action, channel=file.channel, viewer_id=file.viewer.pk, target=file.viewer, detail=detail)
