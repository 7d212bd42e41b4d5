"""The bare JSONDecodeError of a truncated body goes through."""

CHANGES = (
    (
        (
            "    except ValueError as error:  # the body was no JSON\n"
            '        raise BadAnswer("a 200 that cannot be read", status=200, retryable=True) from error\n'
        ),
        "",
    ),
)
