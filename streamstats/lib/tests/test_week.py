from streamstats.lib import week


def test_an_hour_of_the_week_has_its_place():
    cell = week.draw({(0, 0): 60}).cells[0]
    last = week.draw({(6, 23): 60}).cells[0]
    assert (cell.x, cell.y) == (week.LEFT, week.TOP)
    assert (last.x, last.y) == (week.LEFT + 23 * week.STEP, week.TOP + 6 * week.STEP)


def test_hours_without_anything_are_one_path():
    drawn = week.draw({(0, 0): 60, (1, 5): 0})
    assert len(drawn.cells) == 1
    assert drawn.quiet.count("M") == 7 * 24 - 1


def test_the_whole_ramp_is_used():
    drawn = week.draw({(0, hour): hour * 100 for hour in range(1, 9)})
    assert [cell.level for cell in drawn.cells] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_one_hour_alone_is_seen():
    assert week.draw({(3, 20): 1}).cells[0].level == 1


def test_the_most_is_named():
    most = week.draw({(0, 1): 10, (4, 23): 99}).most
    assert most is not None
    assert most.when == "Friday, 23:00 to 00:00"


def test_of_nothing_there_is_no_most():
    drawn = week.draw({})
    assert (drawn.most, drawn.cells, drawn.rows) == (None, [], [])


def test_the_table_has_the_hours_with_anything_in_them():
    rows = week.draw({(0, 1): 10, (6, 1): 20, (2, 9): 30}).rows
    assert [(row.told, row.values) for row in rows] == [
        ("01:00 to 02:00", [10, 0, 0, 0, 0, 0, 20]),
        ("09:00 to 10:00", [0, 0, 30, 0, 0, 0, 0]),
    ]


def test_the_picture_holds_all_of_it():
    drawn = week.draw({(6, 23): 60})
    assert drawn.cells[0].x + drawn.cell == drawn.width
    assert drawn.cells[0].y + drawn.cell == drawn.height


# Hours out of beginnings and ends


def cut(*stretches):
    """[from, to) in seconds since a Monday's midnight, cut as the database and `week.hours` do it."""
    edges: dict[int, week.Edge] = {}
    weeks = 0
    for start, end in stretches:
        for sign, at in ((1, start), (-1, end)):
            begun, seconds = edges.get(at // 3600 % 168, week.Edge(0, 0))
            edges[at // 3600 % 168] = week.Edge(begun + sign, seconds + sign * (at % 3600))
        weeks += end // (168 * 3600) - start // (168 * 3600)
    return week.hours(edges, weeks)


def test_a_stretch_within_an_hour():
    assert cut((3600 + 600, 3600 + 1800)) == {(0, 1): 1200}


def test_a_stretch_over_some_hours():
    assert cut((1200, 2 * 3600 + 600)) == {(0, 0): 2400, (0, 1): 3600, (0, 2): 600}


def test_a_stretch_of_a_whole_hour():
    assert cut((3600, 7200)) == {(0, 1): 3600}


def test_a_stretch_past_sundays_midnight():
    assert cut((168 * 3600 - 600, 168 * 3600 + 300)) == {(0, 0): 300, (6, 23): 600}


def test_a_stretch_up_to_sundays_midnight():
    assert cut((168 * 3600 - 600, 168 * 3600)) == {(6, 23): 600}


def test_stretches_in_different_weeks_add_up():
    assert cut((600, 1200), (168 * 3600 + 900, 168 * 3600 + 1500)) == {(0, 0): 1200}


def test_a_stretch_of_more_than_a_week_counts_hours_twice():
    hours = cut((0, 169 * 3600))
    assert (hours[0, 0], hours[0, 1], sum(hours.values())) == (7200, 3600, 169 * 3600)


def test_many_stretches_keep_every_second():
    stretches = [
        (start * 977, start * 977 + length * 131) for start, length in zip(range(900), range(1, 901), strict=True)
    ]
    hours = cut(*stretches)
    assert sum(hours.values()) == sum(end - start for start, end in stretches)
    assert all(seconds > 0 for seconds in hours.values())
