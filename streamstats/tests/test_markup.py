"""The judge of HTML finds what it is there to find."""

import pytest

from streamstats.tests.browser.markup import faults

PAGE = '<!doctype html><html lang="en"><head><title>x</title></head><body><h1>x</h1>{}</body></html>'


@pytest.mark.parametrize(
    "good",
    [
        "<h2>a</h2><h3>b</h3><h2>c</h2>",
        '<label for="q">q</label><input id="q">',
        "<label>q <input></label>",
        '<input type="hidden">',
        '<p id="a" aria-labelledby="a">a</p>',
        '<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>',
    ],
)
def test_what_is_right_is_let_pass(good):
    assert faults(PAGE.format(good)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "<p><div>a</div></p>",
        "<b><i>a</b></i>",
        '<p id="a">a</p><p id="a">b</p>',
        '<p aria-labelledby="nothing">a</p>',
        "<h3>a</h3>",
        "<h1>again</h1>",
        "<input>",
        '<a href="/"><button>a</button></a>',
        "<p>a & b &nonsense; c</p>",
        "<table><p>a</p></table>",
    ],
)
def test_what_is_wrong_is_found(wrong):
    assert len(faults(PAGE.format(wrong))) == 1
