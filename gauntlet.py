"""The door: one command whose verbs are looked up in a table and imported only when asked for.

Design section 1. `gauntlet --help` must answer at once, so this file imports nothing but the standard library's
smallest modules; what a verb does is in the module its line names. Read `door/up.py` next.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from door.errors import DoorError

VERBS = {
    "up": ("door.up", "start everything, the dashboard on port 8501 too; Ctrl-C ends it"),
    "down": ("door.down", "end what `up` started, leftovers of a killed `up` too"),
    "ask": ("door.ask", "send one question; print the answer and the path it took"),
    "index": ("door.index", "give the service a folder of Markdown to answer from, or take it out"),
    "learn": ("door.learn", "the exercises: start one, and check what your code does under faults"),
    "demo": ("door.demo", "a narrated outage in three minutes"),
    "load": ("door.load", "replay an incident under load, and judge whether the promises held"),
    "predict": ("door.predict", "say what you expect of an incident, then see"),
    "drill": ("door.drill", "find, name and mend a hidden incident under load, for points"),
    "ablate": ("door.ablate", "what each stage is worth: the same incident with and without it"),
    "pitfall": ("door.pitfall", "one of the chapter's pitfalls, before and after, with the number that tells"),
    "audit": ("door.audit", "try to break each of the ten checklist items, on any service with a chat endpoint"),
    "scenarios": ("door.scenarios", "all scenarios on the service as built, and a table of verdicts"),
    "trace": ("door.trace", "what happened to a request, stage by stage; or a list of requests"),
    "jobs": ("door.jobs", "background jobs, and webhooks that could not be delivered; send them off again"),
    "books": ("door.books", "whether client, service and providers say the same of a run"),
    "sql": ("door.sql", "select from what the service told; or list what there is"),
    "doctor": ("door.doctor", "say what is missing, who holds which port, and what to do"),
    "reset": ("door.reset", "delete the state and logs in .gauntlet"),
}
"""verb -> (module with `run(argv) -> exit code`, one line of help)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0 done, 1 not done, 2 wrong usage, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verb = arguments.pop(0) if arguments else "--help"
    if verb in ("-h", "--help", "help"):
        print(usage())
        return 0
    if verb in ("-V", "--version"):
        print(f"gauntlet {version()}")
        return 0
    if verb not in VERBS:
        print(f"gauntlet: there is no verb {verb!r}; there are {', '.join(VERBS)}", file=sys.stderr)
        return 2
    try:
        return int(import_module(VERBS[verb][0]).run(arguments))
    except DoorError as error:
        print(f"gauntlet {verb}: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        print(f"gauntlet {verb}: {error.name} is not installed in {sys.prefix}; run `make up`", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def usage() -> str:
    """The help text: one line per verb."""
    width = max(map(len, VERBS))
    lines = (f"  {verb:<{width}}  {purpose}" for verb, (_, purpose) in VERBS.items())
    return "\n".join(
        [
            "usage: gauntlet VERB [options]",
            "",
            *lines,
            "",
            "gauntlet VERB --help tells the options; --version the version.",
        ]
    )


OFFERED = {
    "dashboard": ("door.dashboard", None),
    "telemetry": ("door.telemetry", None),
    "workbench": ("door.lab", "workbench"),
}
"""What notebooks import from here: name -> (module, its attribute; None: the module itself)."""


def __getattr__(name: str) -> Any:
    """`from gauntlet import workbench`, for notebooks: imported when asked for, since some of it is slow."""
    if name not in OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = OFFERED[name]
    found = import_module(module)
    return found if attribute is None else getattr(found, attribute)


def version() -> str:
    """The installed version, from the package's metadata."""
    from importlib.metadata import version as installed_version

    return installed_version("gauntlet")


if __name__ == "__main__":
    sys.exit(main())
