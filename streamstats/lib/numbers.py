"""Numbers as people read them."""


def grouped(number: int) -> str:
    """18204 -> "18,204"."""
    return f"{number:,}"


def compact(number: int) -> str:
    """Round what is too long to read at a glance: 18204 -> "18,204", 318204 -> "318 k", 1318204 -> "1.32 M"."""
    if abs(number) < 100_000:
        return grouped(number)
    if abs(number) < 999_500:
        return f"{number / 1e3:.0f}\N{NO-BREAK SPACE}k"
    if abs(number) < 999_500_000:
        return f"{number / 1e6:.3g}\N{NO-BREAK SPACE}M"
    return f"{number / 1e9:,.2f}\N{NO-BREAK SPACE}bn"


def ordinal(number: int) -> str:
    """1 -> "1st", 12 -> "12th", 1022 -> "1,022nd"."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def counted(number: int, singular: str, plural: str = "") -> str:
    """1 -> "1 message", 2 -> "2 messages"; the plural is given where it is not the singular with an s."""
    return f"{compact(number)} {noun(number, singular, plural)}"


def noun(number: int, singular: str, plural: str = "") -> str:
    return singular if number == 1 else plural or singular + "s"
