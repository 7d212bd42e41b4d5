"""What `gauntlet up` says when all is ready: addresses, lines that work when pasted, keys. Read `ask.py` next."""

from door import home
from door.console import command_name, console
from door.plan import Plan

GOODBYE = "Ctrl-C ends everything."
QUESTION = "why do retries need jitter?"


def say(chosen: Plan, seconds: float) -> None:
    """Print it; `seconds` is how long the start took."""
    out, urls, tool = console(), chosen.urls(), command_name()
    out.print(f"\n[bold green]Gauntlet is up[/bold green] after {seconds:.1f} s: {chosen.profile} profile,", end=" ")
    out.print(f"{chosen.workers} workers.\n")
    out.print(f"  {'dashboard':<10} [bold]{urls['dashboard']}[/bold]  <- watch it here, break it here", soft_wrap=True)
    for name in ("service", "simulator", "collector", "valkey", "redis"):
        if name in urls:
            out.print(f"  {name:<10} {urls[name]}", soft_wrap=True)
    key = "YOUR_KEY" if chosen.profile == "live" else "demo-alice"
    out.print("\nAsk it something; both lines work when pasted:\n")
    out.print(f"""  {tool} ask "{QUESTION}" --key {key}""", soft_wrap=True, markup=False)
    out.print(f"  {curl_line(urls['service'], key)}\n", soft_wrap=True, markup=False)
    if chosen.profile != "live":
        out.print("Keys: demo-alice and demo-bob (two tenants), demo-admin (an admin).")
    out.print(f"Logs: {chosen.home / home.LOGS}", soft_wrap=True, markup=False)
    out.print(GOODBYE)


def curl_line(service_url: str, key: str) -> str:
    """A shell line that sends one chat."""
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    return f"""curl -sS {service_url}/chat {headers} -d '{{"text": "{QUESTION}"}}'"""
