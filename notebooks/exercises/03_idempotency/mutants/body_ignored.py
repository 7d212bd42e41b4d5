"""Whatever is asked with a known key gets the answer of the first request."""

CHANGES = (
    (
        (
            '    if there["asked"] != asked:\n'
            '        return Response(422, {"error": "this key was used with another body; take a new '
            'key for a new payment"})\n'
        ),
        "",
    ),
)
