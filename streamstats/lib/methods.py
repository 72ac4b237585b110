"""Which HTTP methods a view answers."""

from collections.abc import Callable
from typing import TypeVar

from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

View = TypeVar("View", bound=Callable[..., object])


def read_only(view: View) -> View:
    """Answer 405 to whatever would write; a check for forgeries would come first, and speak of cookies (403)."""
    return csrf_exempt(require_safe(view))
