"""Settings of which only some words make sense; others are refused by name."""

import logging

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()
OFF = ("false", "off", "no", "n", "0", "")


def switch(name: str) -> bool:
    """On or off; off where nothing is said."""
    word = env.str(name, default="").strip().lower()
    if word not in (*env.BOOLEAN_TRUE_STRINGS, *OFF):
        raise ImproperlyConfigured(f"{name} ({word}) is neither on nor off: write true or false")
    return word not in OFF


def log_level(name: str, default: str) -> str:
    level: str = env.str(name, default=default).strip().upper()
    levels = sorted(logging.getLevelNamesMapping(), key=logging.getLevelNamesMapping().__getitem__)
    if level not in levels:
        raise ImproperlyConfigured(f"{name} ({level}) is none of {', '.join(levels)}")
    return level
