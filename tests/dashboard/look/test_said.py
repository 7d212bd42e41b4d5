"""What came of a click stands for a while, in the words of whoever said it, and then no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.look import said

SCRIPT = """
import streamlit as st
from dashboard.backends.http import Away, Refused
from dashboard.look import said
words = {
    "words": "Approved: the refund is made.",
    "refused": Refused(409, "it is *decided*", "service"),
    "away": Away("service", "http://127.0.0.1:9", "refused"),
}
for name, what in words.items():
    st.button(name, on_click=said.say, args=("here", what))
st.button("forget", on_click=said.forget, args=("here",))
said.show("here")
said.show("elsewhere")
"""


def press(at: AppTest, name: str) -> list[str]:
    next(button for button in at.button if button.label == name).click()
    at.run()
    assert not at.exception
    return [one.value for kind in (at.info, at.error, at.warning) for one in kind]


def test_it_is_said_once_where_it_belongs_until_it_is_old(
    app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app("work", script=SCRIPT).run()
    assert press(at, "words") == ["Approved: the refund is made."]
    assert press(at, "refused") == [r"The service refuses (409): it is \*decided\*"]
    (away,) = press(at, "away")
    assert "**The service is away.**" in away
    assert press(at, "forget") == []
    assert press(at, "words") != []
    monkeypatch.setattr(said, "SHOWN_S", 0.0)
    at.run()
    assert not at.info
