"""Writes a request that failed where it fails, and once more at the end."""

CHANGES = (
    (
        "    except asyncio.CancelledError:\n",
        (
            "    except ProviderError:\n"
            "        book.write(Record(request.request_id, pseudonym(request.user, key), outcome, attempts))\n"
            "        raise\n"
            "    except asyncio.CancelledError:\n"
        ),
    ),
)
