"""The Experiments page: recorded runs; one with its charts, several over each other with their differences.

It needs nobody: a run is files. Only recording asks the collector. Read `experiments_record.py` next: how a run comes
to be; `../recordings/listing.py`: what one is.
"""

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from ..control.who import May, may
from ..feed.figures import Figures
from ..feed.picture import Picture
from ..look import states
from ..look.glossary import explained
from ..look.plain import plain
from ..recordings import Broken, NoPicture, Recording, delete, figures, picture, recordings, span
from ..settings import current
from . import (
    experiments_differences,
    experiments_overlay,
    experiments_quality,
    experiments_record,
    experiments_verdict,
    live_charts,
)
from .experiments_words import length, named, verdict, when
from .live import providers_of

CHOSEN = "experiments_chosen"
PARAMETER = "run"
"""Of the page's address: the id of the run to choose."""

MOST_AT_ONCE = 6
MOST_LISTED = 50

SHOWS = (
    "Here stand recorded runs. Choose one for its charts, or two and more: they are drawn over each other, in seconds "
    "since each began, with the differences of their figures in a table. To make one, let a load run and keep the last "
    "minutes above, or start a recording, do what is to be compared, and stop it. A load scenario, started in the "
    "sidebar, is kept by itself, with its verdict."
)
ONLY_SHIPPED = "What is listed below ships with the project, so that there is something to look at."


def show() -> None:
    """Draw the page."""
    st.subheader("Experiments", help="Runs that were kept under .gauntlet/runs (docs/recorded-runs.md).")
    experiments_record.show()
    _show_runs()
    experiments_quality.show()


def _show_runs() -> None:
    runs, broken = recordings(current().runs, current().shipped_runs)
    _show_broken(broken)
    if all(run.ships for run in runs):
        states.show_empty(SHOWS, key="experiments", fact="Nothing was recorded here yet.")
    if not runs:
        return
    if runs[0].ships:
        st.caption(f":material/inventory_2: {ONLY_SHIPPED}")
    _show_list(runs)
    chosen = _show_choice(runs)
    drawn = _pictures(chosen)
    if len(drawn) > 1:
        _show_several(drawn)
    elif drawn:
        _show_one(*drawn[0])
    elif len(chosen) == 1:  # it cannot be drawn, but may have been judged
        experiments_verdict.show(chosen[0])
    ours = [run for run in chosen if not run.ships]
    if ours and may() is May.YES:
        _show_delete(ours)


def _show_broken(broken: list[Broken]) -> None:
    if broken:
        lines = "\n".join(f"- `{one.folder.name}`: {plain(one.why)}" for one in broken)
        st.warning(f"What cannot be read as a run is left out:\n{lines}", icon=":material/folder_off:")


def _show_list(runs: list[Recording]) -> None:
    table = pd.DataFrame([_row(run) for run in runs[:MOST_LISTED]])
    st.dataframe(
        table, hide_index=True, width="stretch", column_config=_COLUMNS, placeholder="–", key="experiments_list"
    )
    if len(runs) > MOST_LISTED:
        st.caption(f"The newest {MOST_LISTED} of {len(runs)}; all of them can be chosen below.")


_COLUMNS = {
    "Run": st.column_config.TextColumn(width="medium"),
    "Requests": st.column_config.NumberColumn(format="localized", help="Chat requests that ended in it"),
    "Success, %": st.column_config.NumberColumn(format="%.1f", help=explained("success")),
    "p95, ms": st.column_config.NumberColumn(format="%.0f", help=explained("percentiles")),
    "Calls / request": st.column_config.NumberColumn(format="%.2f", help=explained("amplification")),
    "USD": st.column_config.NumberColumn(format="%.4f", help="Of all its attempts"),
    "Kept": st.column_config.TextColumn(help="Every request and call, or only the client's and the ledger's books"),
}


def _row(run: Recording) -> dict[str, object]:
    shown = _figures(run)
    begin, end = span(run)
    success = None if shown is None else shown.success
    return {
        "Run": run.label,
        "Scenario": run.scenario,
        "Verdict": verdict(run.verdict),
        "Began": when(run.began),
        "Length": length(run.width_s),
        "Requests": shown and shown.requests,
        "Success, %": None if success is None else success * 100,
        "p95, ms": shown and shown.p95_ms,
        "Calls / request": shown and shown.amplification,
        "USD": shown and experiments_differences.usd(shown, end - begin),
        "Kept": _kept(run),
    }


def _kept(run: Recording) -> str:
    rows = "requests, calls" if run.has_rows else "books only" if run.ended else "books, not ended"
    return f"{rows}; ships" if run.ships else rows


def _figures(run: Recording) -> Figures | None:
    try:
        return figures(run) if run.has_rows else None
    except NoPicture:
        return None


def _show_choice(runs: list[Recording]) -> list[Recording]:
    known = {run.id: run for run in runs}
    asked = st.query_params.pop(PARAMETER, None)  # once: what is chosen later is not undone by it
    fresh = st.session_state.pop(experiments_record.FRESH, None) or asked
    if fresh in known:
        st.session_state[CHOSEN] = [fresh]
    before = st.session_state.get(CHOSEN, [runs[0].id])
    st.session_state[CHOSEN] = [one for one in before if one in known]
    ids = st.multiselect(
        "Runs to look at",
        list(known),
        format_func=lambda one: f"{known[one].label}, {when(known[one].began)}" if one in known else one,
        key=CHOSEN,
        max_selections=MOST_AT_ONCE,
        placeholder="Choose one for its charts, more to compare them",
        help="The first is what the others are compared with.",
    )
    return [known[one] for one in ids]


def _pictures(chosen: list[Recording]) -> list[tuple[Recording, Picture]]:
    """Those that can be drawn; of the others it is said why not."""
    drawn = []
    for run in chosen:
        try:
            seen = picture(run)
        except NoPicture as error:
            st.info(f"**{named(run)}**: {error}", icon=":material/visibility_off:")
            continue
        if seen.is_empty():
            st.info(f"**{named(run)}**: no chat request ended in it.", icon=":material/visibility_off:")
        else:
            drawn.append((run, seen))
    return drawn


def _show_one(run: Recording, seen: Picture) -> None:
    _show_about(run)
    experiments_verdict.show(run)
    providers = providers_of(seen, None)
    live_charts.show_answers(seen, providers)
    live_charts.show_rest(seen, providers)
    experiments_differences.show({"A": seen})


def _show_several(drawn: list[tuple[Recording, Picture]]) -> None:
    letters = dict(zip("ABCDEF", drawn, strict=False))
    for letter, (run, _) in letters.items():
        _show_about(run, letter)
    pictures = {letter: seen for letter, (_, seen) in letters.items()}
    experiments_overlay.show(pictures)
    experiments_differences.show(pictures)
    experiments_overlay.show_windows(pictures)


def _show_about(run: Recording, letter: str = "") -> None:
    told = [when(run.began), length(run.width_s)]
    told += ["ships with the project"] if run.ships else []
    told += [f"scenario {plain(run.scenario)}"] if run.scenario else []
    told += [f"seed {run.seed}"] if run.seed is not None else []
    told += [f"off at its begin: {plain(', '.join(run.stages_off))}"] if run.stages_off else []
    told += [plain(verdict(run.verdict))] if run.verdict else []
    told += [plain(f"{name} {version}") for name, version in run.versions]
    st.markdown(f"{f'**{letter}** · ' if letter else ''}**{named(run)}** · {' · '.join(told)}")
    for note in run.notes:
        st.caption(f":material/info: {plain(note)}")


def _show_delete(chosen: list[Recording]) -> None:
    one = len(chosen) == 1
    with st.popover("Delete …", icon=":material/delete:"):
        st.markdown(f"Delete {'this run' if one else f'these {len(chosen)} runs'} with everything in the folder?")
        for run in chosen:
            books = "" if run.has_rows else ", its books" if run.ended else ", its books; it may still be written"
            st.markdown(f"- {named(run)}, {when(run.began)}{books}")
        if not st.button("Yes, delete", key="experiments_delete", type="primary"):
            return
        for run in chosen:
            try:
                delete(run)
            except OSError as error:
                st.error(f"{named(run)} cannot be deleted: {error.strerror}")
                return
        st.rerun()
