from streamstats.lib.windows import Window


def test_what_was_added_is_summed():
    window: Window[str] = Window(60)
    window.add(0, {"a": 1, "b": 5})
    window.add(1, {"a": 2})
    assert window.top(2, 10) == [("b", 5), ("a", 3)]


def test_what_is_too_old_is_forgotten():
    window: Window[str] = Window(60)
    window.add(0, {"a": 1, "b": 5})
    window.add(30, {"a": 2})
    assert window.top(60, 10) == [("a", 2)]


def test_it_ends_empty():
    window: Window[str] = Window(60)
    window.add(0, {"a": 1})
    assert window.top(61, 10) == []


def test_only_the_top_is_told():
    window: Window[str] = Window(60)
    window.add(0, {"a": 1, "b": 2, "c": 3})
    assert window.top(0, 2) == [("c", 3), ("b", 2)]
