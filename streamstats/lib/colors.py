"""Colours that viewers chose for their names."""

import re


def is_color(text: str) -> bool:
    """#RRGGBB and nothing else, so that it is safe in an attribute."""
    return re.fullmatch(r"#[0-9A-Fa-f]{6}", text) is not None


def luminance(color: str) -> float:
    """Relative luminance as WCAG defines it: 0 for black, 1 for white."""
    channels = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink_on(color: str) -> str:
    """Black or white, whichever has more contrast on this colour."""
    return "#000000" if luminance(color) > 0.179 else "#ffffff"
