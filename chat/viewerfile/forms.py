"""What moderators type on a viewer's file. Whether it can be done, the deeds themselves say."""

from django import forms

from chat.viewerfile import links, notes, tags


class NoteForm(forms.Form):
    text = forms.CharField(
        required=False,
        strip=False,
        max_length=10 * notes.LONGEST,  # a longer one is told how long it is
        widget=forms.Textarea(attrs={"rows": 4, "maxlength": None}),
        label="What should other moderators know?",
    )


class VersionForm(NoteForm):
    """`based_on` is the version that the author had before their eyes."""

    based_on = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class TagForm(forms.Form):
    name = forms.CharField(required=False, max_length=10 * tags.LONGEST)


class LinkForm(forms.Form):
    """Which account, why, and on whose file both are shown."""

    account = forms.CharField(max_length=64)
    reason = forms.CharField(required=False, strip=False, max_length=10 * links.LONGEST)
    main = forms.ChoiceField(choices=[("here", "here"), ("there", "there")])
