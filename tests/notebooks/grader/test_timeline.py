"""The picture says when what happened, and no two events of a lane cover each other."""

from notebooks.grader.timeline import WIDTH, Timeline, drawn, events_of


def test_calls_and_waits_stand_at_their_times_on_one_axis() -> None:
    line = Timeline()
    line.add("calls", 0, words="503", ok=False)
    line.add("waits", 0, 1)
    line.add("calls", 1, words="200")
    axis, calls, waits = drawn(line.events)
    assert axis.split() == ["|0", "s", "|0.2", "s", "|0.4", "s", "|0.6", "s", "|0.8", "s", "|1", "s"]
    assert calls.index("✗") == waits.index("├") == axis.index("|0 s")
    assert calls.index("●") == waits.index("┤") == axis.index("|1 s")
    assert calls.endswith("● 200")


def test_events_at_the_same_moment_get_lines_of_their_own_and_too_many_are_counted() -> None:
    line = Timeline()
    for number in range(20):
        line.add("calls", 0, words=f"call {number}")
    line.add("calls", 1)
    lines = drawn(line.events)
    assert sum("●" in text for text in lines) == 8
    assert lines[-1].strip() == "… and 13 more"


def test_equal_events_are_one_with_their_number() -> None:
    line = Timeline()
    for _ in range(50):
        line.add("calls", 0, words="503", ok=False)
        line.add("refused", 2)
    _, calls, refused = drawn(line.events)
    assert calls.split() == ["calls", "✗", "503", "×50"]
    assert refused.split() == ["refused", "●", "×50"]


def test_calls_in_one_column_are_one_and_so_are_waits_too_short_to_draw() -> None:
    line = Timeline()
    for number in range(20):
        line.add("calls", number / 1000, words="503", ok=False)
        line.add("waits", 0, number / 1000, f"{number / 1000} s")
    line.add("calls", 100)
    _, calls, waits = drawn(line.events)
    assert calls.split() == ["calls", "✗", "503", "×20", "●"]
    assert waits.split() == ["waits", "●", "×20"]


def test_an_axis_begins_where_something_happens() -> None:
    line = Timeline()
    line.add("calls", 1000)
    line.add("calls", 1010)
    axis, calls = drawn(line.events)
    assert axis.split()[:2] == ["|1000", "s"]
    assert axis.index("|1000") == calls.index("●")
    assert axis.index("|1010") == calls.rindex("●")


def test_no_line_is_wider_than_asked_whatever_is_said() -> None:
    line = Timeline()
    for number in range(30):
        line.add(f"lane {number % 3}", number * 7.3, number * 7.3 + 2, "words " * 30)
    assert max(map(len, drawn(line.events))) <= WIDTH
    assert events_of(line.document()) == line.events


def test_the_last_events_words_have_room() -> None:
    line = Timeline()
    line.add("calls", 0, 1, "200")
    line.add("book", 1, words="answered, 12 calls")
    assert drawn(line.events)[-1].endswith("● answered, 12 calls")


def test_nothing_that_happened_is_no_picture() -> None:
    assert drawn([]) == []
