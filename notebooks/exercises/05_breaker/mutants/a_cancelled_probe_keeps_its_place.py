"""Who is cancelled says nothing to the store: a probe that was hung up blocks all others until its lease ends."""

CHANGES = (
    ('        verdict = "none"  # also when the caller goes away\n', '        verdict = ""\n'),
    (
        "        finally:\n            args",
        '        finally:\n            if not verdict:\n                told = "gone"\n            args',
    ),
)
