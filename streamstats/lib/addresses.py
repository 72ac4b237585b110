"""Addresses of pages, remembered: a page has dozens of links, and many of them stand on other pages too."""

from functools import lru_cache

from django.urls import reverse


@lru_cache(maxsize=8192)
def address(page: str, *named: object) -> str:
    """The address of a page by the name it has in `urls.py`; to make it takes longer than the rest of a line."""
    return reverse(page, args=named)
