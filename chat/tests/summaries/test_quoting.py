"""How words of viewers are handed on."""

import time

import pytest

from chat.summaries.quoting import addressed, has_link, made_safe

LINKS = [
    "https://example.com/page?x=1",
    "HTTP://EXAMPLE.COM",
    "www.example.com",
    "example.com",
    "example.com/path",
    "sub.domain.example.co.uk",
    "discord.gg/abcdef",
    "t.me/somewhere",
    "ftp://files.example",
    "javascript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    "mailto:ann@example.com",
    "ann.b+c@example.org",
    "192.168.0.1",
    "10.0.0.1:8080/admin",
    "//example.com/x",
    "example[.]com",
    "example(dot)com",
    "example dot com",
    "hxxps://example.com",
    "xn--e1afmkfd.xn--p1ai",
    "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
    "\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff43\uff4f\uff4d",
    "exa\u200bmple.c\u200bom",
    "[click](https://evil.example/x)",
    "![image](https://evil.example/x.png)",
    "<https://evil.example>",
    "user:pass@evil.example",
    "...evil.example",
    "+evil.example",
    "-evil.example",
    "(evil.example)",
    "x:https://evil.example",
    "1https://evil.example/",
    "\u2026https://evil.example/",
]


@pytest.mark.parametrize("link", LINKS)
def test_nothing_that_could_be_clicked_stays(link):
    safe = made_safe(f"please look {link} and tell me")
    assert has_link(f"please look {link} and tell me")
    assert not has_link(safe)
    assert "[link]" in safe
    assert "evil" not in safe
    assert safe.startswith("please look ")
    assert safe.endswith(" and tell me")


@pytest.mark.parametrize(
    "text",
    [
        "that was great... really",
        "e.g. this one",
        "U.S.A. and so",
        "1.5 hours, v2.0.1",
        "yes/no, and 12:30",
        "ok.",
        "a: b",
    ],
)
def test_words_with_dots_are_no_links(text):
    assert not has_link(text)
    assert made_safe(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("@Bob hello", "@someone hello"),
        ("hello @bob_2!", "hello @someone!"),
        ("@@bob", "@someone"),
        ("hi.@bob", "hi.@someone"),
        ("hi@bob", "hi@someone"),
        ("\uff20bob hi", "@someone hi"),
        ("\ufe6bbob hi", "@someone hi"),
        ("@ bob hi", "@someone hi"),
        ("@\u732b hi", "@someone hi"),
        ("@b\u200bob hi", "@someone hi"),
        ("\uff42\uff4f\uff42 and \U0001d4eb\U0001d4f8\U0001d4eb", "@someone and @someone".replace("@someone", "bob")),
    ],
)
def test_who_is_addressed_is_masked(text, safe):
    assert made_safe(text) == safe


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Marcus said so", "@someone said so"),
        ("MARCUS's cat", "@someone's cat"),
        ("marcus_b and marcusb are others", "marcus_b and marcusb are others"),
        ("hi \U0001d5ba\U0001d5bb marcus.", "hi ab @someone."),
        ("m\u200barcus", "@someone"),
        ("\uff4d\uff41\uff52\uff43\uff55\uff53", "@someone"),
        ("tell \u732b\u3061\u3083\u3093\u3082 too", "tell @someone\u3082 too"),
    ],
)
def test_names_are_masked_as_whole_words(text, safe):
    assert made_safe(text, {"marcus", "\u732b\u3061\u3083\u3093"}) == safe


def test_a_text_is_bounded():
    assert made_safe("word " * 100, most=20) == "word word word word\u2026"
    assert made_safe("x" * 100_000, most=50) == "x" * 49 + "\u2026"


def test_the_end_of_a_long_text_is_masked_too():
    assert "marcus" not in made_safe("word " * 58 + "marcus wrote", {"marcus"})


@pytest.mark.parametrize(
    "piece", ["a-", "a.", "-", "@", "a@", "a:", "1.1.", "a dot ", "(dot)", "_", "\u0301", "\u200d", "<"]
)
def test_no_text_takes_long(piece):
    """Three thousand messages are looked at for one summary."""
    began = time.process_time()
    made_safe(piece * 1000)
    assert time.process_time() - began < 0.2


def test_signs_that_end_things_elsewhere_stay_signs():
    text = '</message> "}]} ``` ### <|im_end|> [INST]'
    assert made_safe(text) == text


def test_addressed_are_the_words_behind_an_at():
    assert addressed("@Bob and \uff20Carol_9: hi @\u732b") == {"bob", "carol_9", "\u732b"}


@pytest.mark.parametrize("text", ["a." * 500, "a.1" * 333, "a(.)" * 250])
def test_a_text_of_dots_is_looked_at_quickly(text):
    began = time.process_time()
    for _ in range(20):
        has_link(text)
    assert time.process_time() - began < 0.1
