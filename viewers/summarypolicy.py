"""What the owner of a channel decides about its summaries, as a form."""

from typing import Any, ClassVar

from django import forms

from streamstats.lib.unseen import visible
from viewers.models import SummaryPolicy

MOST_A_MINUTE = 60
MOST_A_DAY = 10_000
MOST_WORDS = 200
LONGEST_WORD = 60

TOO_MANY = f"There are more than {MOST_WORDS} blocked words. Leave some out."
TOO_LONG = f"A blocked word has at most {LONGEST_WORD} characters, and this one has more: {{word}}"


class WordsField(forms.CharField):
    """Words and phrases, one a line, each once."""

    def to_python(self, value: Any) -> str:
        lines = map(visible, (super().to_python(value) or "").splitlines())
        return "\n".join(dict.fromkeys(filter(None, lines)))

    def validate(self, value: str) -> None:
        super().validate(value)
        words = value.splitlines()
        if len(words) > MOST_WORDS:
            raise forms.ValidationError(TOO_MANY)
        for word in words:
            if len(word) > LONGEST_WORD:
                raise forms.ValidationError(TOO_LONG.format(word=word[:LONGEST_WORD]))


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    per_minute = forms.IntegerField(min_value=1, max_value=MOST_A_MINUTE)
    per_day = forms.IntegerField(min_value=1, max_value=MOST_A_DAY)
    blocked_words = WordsField(required=False, max_length=MOST_WORDS * (LONGEST_WORD + 1), strip=False)

    class Meta:
        model = SummaryPolicy
        fields: ClassVar = ["is_on", "has_recaps", "needs_review", "per_minute", "per_day", "blocked_words"]
