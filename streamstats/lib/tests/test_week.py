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
