"""What a benchmark must never show, however slow the machine."""

import pytest

from bench import ingest, watchtime
from bench.__main__ import broken_promises


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        pytest.param({"caught up after (s)": 9.0, ingest.LOST: 0, ingest.WRONG: 0}, [], id="all is well"),
        pytest.param(
            {ingest.LOST: 3, ingest.WRONG: 0}, ["outage: 3.0 messages lost, which must be at most 0"], id="lost"
        ),
        pytest.param(
            {ingest.LOST: 0, ingest.WRONG: 1},
            ["outage: 1.0 counters that differ from a recount, which must be at most 0"],
            id="miscounted",
        ),
        pytest.param({watchtime.TOTAL: 2.9}, [], id="near enough"),
        pytest.param({watchtime.TOTAL: 3.1}, ["outage: 3.1 total error (%), which must be at most 3"], id="too far"),
    ],
)
def test_an_outage_that_costs_anything_is_a_failure(figures, said):
    assert broken_promises({"outage": figures, "parser": {"lines a second": 1.0}}) == said
