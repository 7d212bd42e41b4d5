"""Takes the cancellation of its call for a call without an answer, and tries again."""

CHANGES = (
    (
        "        except ProviderError as error:\n",
        (
            "        except (ProviderError, asyncio.CancelledError) as raised:\n"
            "            error = raised if isinstance(raised, ProviderError) else ProviderError(None)\n"
        ),
    ),
    ("import random\n", ("import asyncio\nimport random\n")),
)
