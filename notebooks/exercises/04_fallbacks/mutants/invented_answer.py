"""Shows a sentence that looks like an answer, with 200."""

CHANGES = (
    (
        (
            '            f"No model can answer at the moment. Please ask again in {seconds} seconds.",\n'
            '            "message",\n'
            "            status=503,"
        ),
        '            "I am not sure about that. Could you ask it in other words?",\n            "live",',
    ),
)
