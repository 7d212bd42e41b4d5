"""A small exercise made for a test: one function that calls a provider, and two promises about it."""

from pathlib import Path

TOML = """
title = "Toy"
about = "Call a provider."
section = "1"
minutes = 1
concepts = ["calling"]
defines = ["ask"]

[mutants]
asks_twice = "asks_once"
says_nothing = "answers"
"""
PROBES = """
from notebooks.grader import World, probe

def failed(status, retry_after_s):
    return RuntimeError(f"status {status}")

@probe("It answers", means="Nobody is answered.", limit_s=5.0)
async def answers(world: World) -> None:
    provider = world.provider("anthropic", failed)
    outcome = await world.outcome(world.yours.ask(provider, world.clock))
    world.expect(bool(outcome.value), given="a question", expected="an answer", seen=outcome.words)

@probe("It asks once", means="Each question is paid twice.")
async def asks_once(world: World) -> None:
    await world.yours.ask(world.provider("anthropic", failed), world.clock)
    calls = len(await world.simulator.calls())
    world.expect(calls == 1, given="a question", expected="1 call", seen=f"{calls} calls")
"""
HINTS = """
[answers]
question = "Who answers?"
place = "ask"
code = "return await call(...)"
[asks_once]
question = "How often?"
place = "ask, again"
code = "once"
"""
HEAD = "import asyncio, time\n\nMESSAGES = [{'role': 'user', 'content': 'What is jitter?'}]\n\n"
RIGHT = "return await call(MESSAGES)"
TWICE = "await call(MESSAGES)\n    return await call(MESSAGES)"
NOTHING = "await call(MESSAGES)"


def source(body: str, head: str = HEAD) -> str:
    """A learner's file whose `ask` has this body."""
    return f"{head}async def ask(call, clock):\n    {body}\n"


def mutant(was: str, instead: str) -> str:
    """A mutant's file: the solution's body, and what stands there instead."""
    return f'"""A bug."""\n\nCHANGES = (({f"    {was}"!r}, {f"    {instead}"!r}),)\n'


def toy(folder: Path, *, toml: str = TOML, starter: str = NOTHING, solution: str = RIGHT, **mutants: str) -> Path:
    """The exercise's folder, `01_toy`."""
    made = folder / "01_toy"
    (made / "mutants").mkdir(parents=True)
    files = {"exercise.toml": toml, "probes.py": PROBES, "hints.toml": HINTS, "README.md": "Call.\n"}
    files |= {"starter.py": source(starter), "solution.py": source(solution)}
    bodies = mutants or {"asks_twice": TWICE, "says_nothing": NOTHING}
    files |= {f"mutants/{name}.py": mutant(solution, body) for name, body in bodies.items()}
    for name, text in files.items():
        (made / name).write_text(text)
    return made
