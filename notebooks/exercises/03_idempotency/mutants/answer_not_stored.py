"""That it was paid is remembered, what was answered is not."""

CHANGES = (
    (
        "asdict(response",
        'asdict(Response(response.status, {"status": "done before"})',
    ),
)
