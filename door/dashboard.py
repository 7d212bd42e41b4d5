"""`from gauntlet import dashboard`: the dashboard from a notebook, in Colab too. Read `dashboard/notebook.py` next.

dashboard.show()          where to look; in Colab what can be seen there
dashboard.live("3 min")   the Live page's charts as the output of a cell
"""

import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from door import running
from door.errors import DoorError, UsageError

if TYPE_CHECKING:
    import altair as alt

UNITS_S = {"s": 1.0, "min": 60.0}
HEIGHT_PX = 900
COLAB = "google.colab"


def show() -> None:
    """Say where the dashboard is; in Colab put the kernel's port into the cell, and say what to do if that stays empty.

    Colab's proxy carries no websockets (googlecolab/colabtools, issue 2529), which Streamlit's pages need.
    """
    url = running.url("dashboard", os.environ)
    if COLAB not in sys.modules:
        print(f"The dashboard is at {url}")
        return
    output = import_module(f"{COLAB}.output")
    output.serve_kernel_port_as_iframe(urlsplit(url).port, height=HEIGHT_PX)
    print(
        "If the frame above stays empty: Colab's proxy carries no websockets, which these pages need. Then\n"
        "dashboard.live() draws the same charts into a cell, as often as you run it, and telemetry.sql(…) asks\n"
        "whatever you like."
    )


def live(last: str = "3 min") -> "alt.VConcatChart":
    """The Live page's charts of the `last` seconds or minutes, with fault windows and switches, as one chart.

    Raises UsageError for another length of time than up to 15 min, DoorError when no collector answers.
    """
    from dashboard import notebook, settings
    from dashboard.backends.http import Away, Refused

    width_s = _seconds(last)
    environ = {
        settings.COLLECTOR_URL: running.url("collector", os.environ),
        settings.SERVICE_URL: running.url("service", os.environ),
        settings.SIMULATOR_URL: running.url("simulator", os.environ),
    }
    try:
        chart, figures = notebook.live(settings.of(environ), width_s)
    except (Away, Refused) as error:
        raise DoorError(f"{error}; is it up? `gauntlet doctor` says more") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(f"{figures.requests:,} chat requests in the last {last}")
    return chart


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min)", text.strip())
    if not found:
        raise UsageError(f"{text!r} is no length of time; '90 s' or '3 min' is")
    return float(found[1]) * UNITS_S[found[2]]
