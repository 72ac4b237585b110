"""What becomes of a text somebody wrote about themselves, however they meant it."""

import re
import time

import pytest

from viewers import wiki
from viewers.wiki import Line, Part

LONG = wiki.LONGEST


def shown(text):
    return " ".join(wiki.render(text).split())


# What may be written


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Hello", "<p>Hello</p>"),
        ("**bold** *leaning* ~~struck~~", "<p><strong>bold</strong> <em>leaning</em> <s>struck</s></p>"),
        ("- one\n- two", "<ul> <li>one</li> <li>two</li> </ul>"),
        ("3. three", '<ol start="3"> <li>three</li> </ol>'),
        ("> said", "<blockquote> <p>said</p> </blockquote>"),
        ("`a < b`", "<p><code>a &lt; b</code></p>"),
        ("```py\nx\n```", "<pre><code>x </code></pre>"),
        ("one\\\ntwo", "<p>one<br> two</p>"),
        ("", ""),
    ],
)
def test_markdown_is_shown_as_html(text, html):
    assert shown(text) == html


def test_a_table_says_what_its_columns_are():
    assert '<th class="right" scope="col">b</th>' in shown("|a|b|\n|-|-:|\n|1|2|")


def test_a_link_is_of_no_use_for_who_wants_to_be_found():
    link = '<a href="https://example.org/" rel="nofollow ugc noopener">here</a>'
    assert shown('[here](https://example.org/ "title")') == f"<p>{link}</p>"


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("# a\n## b\n# c", ["h3", "h4", "h3"]),
        ("#### deep\n# high", ["h3", "h3"]),
        ("# a\n###### b\n### c", ["h3", "h4", "h4"]),
        ("# a\n## b\n### c\n#### d\n##### e\n###### f", ["h3", "h4", "h5", "h6", "h6", "h6"]),
        ("a\n=\nb\n-", ["h3", "h4"]),
    ],
)
def test_headings_stand_below_those_of_the_page_and_skip_no_level(text, headings):
    assert re.findall(r"<(h\d)>", wiki.render(text)) == headings


# What somebody might try

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)" onclick="alert(1)">x</a>',
    "<svg/onload=alert(1)>",
    "<style>body{display:none}</style>",
    '<p style="position:fixed">',
    "<iframe src=https://evil.example></iframe>",
    "</div></section></main><h1>Ours</h1>",
    "<!-- x --><![CDATA[x]]>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](//evil.example)",
    "[x](/account/erase/)",
    "[x](mailto:a@b.example)",
    "[x](ftp://evil.example)",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "![x](https://evil.example/pixel.png)",
    '![x](https://evil.example/" onerror="alert(1))',
    "![x][y]\n\n[y]: https://evil.example/pixel.png",
    '[x](https://a.example/"onmouseover="alert(1))',
    "[x](https://a.example 'title\" onclick=\"alert(1)')",
    '```" onclick="alert(1)\nx\n```',
    "|a|\n|:-:|\n|<script>alert(1)</script>|",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_but_words_comes_of_it(text):
    html = wiki.render(text)
    tags = re.findall(r"<[^>]*>", html)
    for tag in tags:
        assert re.fullmatch(
            r'</?(p|pre|code|table|thead|tbody|tr|th|td)( scope="col"| class="center")*>'
            r'|<a href="https://a\.example[^"<> ]*" rel="nofollow ugc noopener">|</a>',
            tag,
        )


def test_a_picture_is_told_in_words():
    assert shown("![my <cat>](https://evil.example/cat.png)") == "<p>my &lt;cat&gt;</p>"


@pytest.mark.parametrize("character", list("\x00\x07\x1b\x7f\x85\u200b\u202e\u202a\u2066\u2069\u2028\ufeff\u2060"))
def test_what_cannot_be_seen_is_left_out(character):
    assert shown(f"a{character}b") == "<p>ab</p>"


@pytest.mark.parametrize("text", ["👨‍👩‍👧", "می‌خواهم", "שלום\u200e!", "e\u0301", "夜空"])
def test_what_languages_need_stays(text):
    assert text in wiki.render(text)


def test_lines_end_as_they_do_everywhere():
    assert wiki.cleaned("\r\none  \r\ntwo\rthree\n\n") == "one\ntwo\nthree"


ENDLESS = {
    "brackets": "[" * LONG,
    "closing brackets": "]" * LONG,
    "pictures": "![" * (LONG // 2),
    "half links": "[a](" * (LONG // 4),
    "links": "[a](b)" * (LONG // 6),
    "stars": "*" * LONG,
    "stars and words": "*a **b " * (LONG // 7),
    "both kinds of emphasis": "*_" * (LONG // 2),
    "struck": "~~a" * (LONG // 3),
    "backticks": "".join("`" * count + " " for count in range(140)),
    "quotes": ">" * LONG,
    "quotes in lists": "> - " * (LONG // 4),
    "lists": "- " * (LONG // 2),
    "lists in lists": "".join("  " * depth + "- a\n" for depth in range(95)),
    "numbers": "1. " * (LONG // 3),
    "headings": "# a\n" * (LONG // 4),
    "lines": "a\n" * (LONG // 2),
    "rules": "*\n" * (LONG // 2),
    "less than": "<" * LONG,
    "tags": "<a " * (LONG // 3),
    "entities": "&amp;" * (LONG // 5),
    "definitions": "".join(f"[{name}]: b\n" for name in range(1000)),
    "a wide table": "|" * 2000 + "\n" + "-|" * 2000 + "\n" + "a\n" * 2000,
    "a large table": "a|" * 12 + "\n" + "-|" * 12 + "\n" + "a\n" * 4900,
    "a table that would be filled up": "a|" * 60 + "\n" + "-|" * 60 + "\n" + "a\n" * 4800,
    "many tables": ("a|" * 12 + "\n" + "-|" * 12 + "\n" + "a\n" * 150 + "\n") * 28,
    "beginnings of tables": "a|b\n-|-\n" * (LONG // 8),
    "backslashes": "\\" * LONG,
    "spaces": " " * (LONG - 1) + "a",
    "marks upon marks": "a" + "\u0336" * (LONG - 1),
    "far too long": "a b " * 1_000_000,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_it_is_shown_at_once(name):
    began = time.process_time()
    html = wiki.render(ENDLESS[name])
    assert time.process_time() - began < 1  # measured: at most 0.2 s
    assert len(html) < 200_000


def test_nesting_ends_somewhere():
    assert wiki.render("> " * 100 + "a").count("<blockquote>") <= 20


# Differences


CHANGED = ["out", "in"]
SAME = ["same", "same"]


def kinds(before, after):
    return [line.kind for line in wiki.differences(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", []),
        ("", "a", ["in"]),
        ("a", "", ["out"]),
        ("a", "a", []),
        ("a\nb", "a\nb\nc", ["same", "same", "in"]),
        ("a\nb\nc", "a\nc", ["same", "out", "same"]),
        ("a b", "a c", ["out", "in"]),
        ("I like cats.", "# Me\n\nI like dogs.", ["in", "in", "out", "in"]),
        ("one thing\nanother thing", "quite different words", ["out", "out", "in"]),
        ("\n".join("123456789"), "\n".join("12345678x"), ["skip", "same", "same", "out", "in"]),
        ("\n".join("123456789"), "\n".join("x23456789"), ["out", "in", "same", "same", "skip"]),
        ("\n".join("0123456789"), "\n".join("x12345678y"), [*CHANGED, *SAME, "skip", *SAME, *CHANGED]),
    ],
)
def test_lines_went_and_came(before, after, expected):
    assert kinds(before, after) == expected


def test_words_that_changed_are_told_from_those_that_stayed():
    went, came = wiki.differences("I like cats a lot", "I like dogs a lot")
    assert went == Line("out", [Part("same", "I like "), Part("out", "cats"), Part("same", " a lot")])
    assert came == Line("in", [Part("same", "I like "), Part("in", "dogs"), Part("same", " a lot")])


def test_it_is_said_how_many_lines_are_left_out():
    lines = wiki.differences("\n".join("123456789"), "\n".join("12345678x"))
    assert lines[0] == Line("skip", [Part("same", "6")])


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("other", ["a b\n", "[", "a\nb\n"])
def test_both_texts_can_be_read_from_the_differences(name, other, monkeypatch):
    monkeypatch.setattr(wiki, "AROUND", LONG)
    monkeypatch.setattr(wiki, "MOST_LINES", LONG * 3)
    before, after = ENDLESS[name][:LONG], f"{(other * LONG)[: LONG - 1]}x"
    lines = wiki.differences(before, after)
    for text, left_out in ((before, "in"), (after, "out")):
        told = ["".join(part.text for part in line.parts) for line in lines if line.kind != left_out]
        assert "\n".join(told) == text


@pytest.mark.parametrize("alphabet", [1, 2, 5, 30, 300])
@pytest.mark.parametrize("length", [1, 20, 150, 3000])
def test_they_are_found_at_once(alphabet, length):
    def text(seed):
        words = (str(seed * place * place % 10_007 % alphabet) for place in range(LONG))
        return "".join(word + ("\n" if place % length == 0 else " ") for place, word in enumerate(words))[:LONG]

    began = time.process_time()
    lines = wiki.differences(text(3), text(7))
    assert time.process_time() - began < 1  # measured: at most 0.1 s
    assert len(lines) <= wiki.MOST_LINES + 1
