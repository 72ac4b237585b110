"""Small friendly faces in place of real emotes, always the same for an id: a demo needs no network."""

import hashlib

BODIES = (
    "M28 5c14 0 23 10 23 24S43 51 28 51 5 43 5 29 14 5 28 5Z",
    "M28 4c9 0 13 5 18 12s7 17 2 25-12 10-20 10-17-2-21-9-3-17 2-25S19 4 28 4Z",
    "M16 6h24c6 0 11 5 11 11v23c0 6-5 11-11 11H16C10 51 5 46 5 40V17C5 11 10 6 16 6Z",
    "M28 3 37 8l10 1 2 10 5 9-5 9-2 10-10 1-9 5-9-5-10-1-2-10-5-9 5-9 2-10 10-1Z",
    "M28 8C34 1 49 6 51 19c1 12-9 23-23 33C14 42 4 31 5 19 7 6 22 1 28 8Z",
    "M28 4 34 19l17-3-9 14 9 13-17-2-6 12-6-12-17 2 9-13-9-14 17 3Z",
)
EYES = (
    '<circle cx="20" cy="25" r="4" fill="{ink}"/><circle cx="36" cy="25" r="4" fill="{ink}"/>',
    '<path d="M15 26q5-7 10 0M31 26q5-7 10 0" fill="none" stroke="{ink}" stroke-width="3" stroke-linecap="round"/>',
    (
        '<circle cx="20" cy="24" r="6" fill="#fff"/><circle cx="37" cy="24" r="6" fill="#fff"/>'
        '<circle cx="22" cy="25" r="3" fill="{ink}"/><circle cx="35" cy="25" r="3" fill="{ink}"/>'
    ),
    '<path d="M15 25h9M32 25h9" stroke="{ink}" stroke-width="4" stroke-linecap="round"/>',
    (
        '<circle cx="20" cy="25" r="4" fill="{ink}"/>'
        '<path d="M31 26q5-7 10 0" fill="none" stroke="{ink}" stroke-width="3" stroke-linecap="round"/>'
    ),
    '<path d="M14 21h28l-2 8q-5 4-10-2h-4q-5 6-10 2Z" fill="{ink}"/>',
)
MOUTHS = (
    '<path d="M20 35q8 9 16 0" fill="none" stroke="{ink}" stroke-width="3" stroke-linecap="round"/>',
    '<path d="M19 34h18q-1 11-9 11t-9-11Z" fill="{ink}"/><path d="M23 42q5-4 10 0-5 5-10 0Z" fill="#f46a7c"/>',
    '<ellipse cx="28" cy="38" rx="5" ry="6" fill="{ink}"/>',
    '<path d="M20 40q8-8 16 0" fill="none" stroke="{ink}" stroke-width="3" stroke-linecap="round"/>',
    '<path d="M20 37q4-4 8 0t8 0" fill="none" stroke="{ink}" stroke-width="3" stroke-linecap="round"/>',
    '<path d="M21 37h14" stroke="{ink}" stroke-width="3" stroke-linecap="round"/>',
)
EXTRAS = (
    "",
    '<g fill="#f46a7c" opacity=".5"><circle cx="13" cy="34" r="4"/><circle cx="43" cy="34" r="4"/></g>',
    '<path d="M42 16q5 8 0 10-5-2 0-10Z" fill="#56b4e9"/>',
    '<path d="M14 18l9 3M42 18l-9 3" stroke="{ink}" stroke-width="3" stroke-linecap="round"/>',
    '<path d="M17 10 28 1l11 9Z" fill="{ink}"/>',
)


def picture(emote_id: str) -> str:
    """Draw the face that belongs to the id, as SVG."""
    _, face = _face(emote_id)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 56 56" width="56" height="56">{face}</svg>'


def avatar(account_id: str) -> str:
    """Draw the portrait of an account: a face before a background of its own."""
    hue, face = _face(f"account {account_id}")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 300" width="300" height="300">'
        f'<path d="M0 0h300v300H0Z" fill="hsl({(hue + 150) % 360} 45% 32%)"/>'
        f'<g transform="translate(38 38) scale(4)">{face}</g></svg>'
    )


def _face(of_what: str) -> tuple[int, str]:
    """Its colour, and its shapes in a square of 56."""
    seed = iter(hashlib.sha256(of_what.encode()).digest())
    hue = (next(seed) * 256 + next(seed)) % 360
    body = BODIES[next(seed) % len(BODIES)]
    face = "".join(parts[next(seed) % len(parts)] for parts in (EYES, MOUTHS, EXTRAS))
    fill, edge, ink = f"hsl({hue} 72% 66%)", f"hsl({hue} 60% 42%)", f"hsl({hue} 45% 16%)"
    outline = f'<path d="{body}" fill="{fill}" stroke="{edge}" stroke-width="2" stroke-linejoin="round"/>'
    return hue, outline + face.format(ink=ink)
