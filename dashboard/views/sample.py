"""A document long enough that its analysis takes a while: four weeks on call, invented. Read `work_begin.py` next."""

WEEKS = 4
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TEAMS = ("checkout", "search", "support chat", "billing")
EVENTS = (
    (
        "At dawn the {team} team saw the first timeouts. The provider answered every third call only, and each "
        "retry came at the same moment as all others, so the second wave was higher than the first. Full jitter "
        "spread the retries, and within four minutes the queue was empty again."
    ),
    (
        "Before noon a deploy of {team} doubled the length of the prompt. Nobody had looked at the cost per "
        "answer, which rose from 0.4 to 1.1 cents; the daily budget of the largest tenant was spent at two in the "
        "afternoon. The prompt was cut, and a warning at half of the budget was added."
    ),
    (
        "In the afternoon the circuit breaker of {team} opened for the first provider after five failures in a "
        "row. Answers came from the second one, a little slower, and each said so. The probe after thirty seconds "
        "failed twice, and the third one closed the circuit."
    ),
    (
        "In the evening one customer of {team} sent the same question eighty times a minute. The token bucket "
        "refused what was too much with 429 and a time to come back; the neighbours felt nothing. The customer's "
        "script had a loop without a pause."
    ),
    (
        "At night a worker of {team} was killed by the system for want of memory, in the middle of a long job. "
        "Another worker took the job up after five seconds; the steps that were done were not paid again, and the "
        "webhook came once."
    ),
)


def document() -> str:
    """Some 28,000 words in paragraphs: each week, each day, each team, each of its events."""
    parts = ["# Four weeks on call"]
    for week in range(1, WEEKS + 1):
        for day in DAYS:
            parts.append(f"## {day} of week {week}")
            for team in TEAMS:
                parts += [f"{day}, {team}: {event.format(team=team)}" for event in EVENTS]
    return "\n\n".join(parts)
