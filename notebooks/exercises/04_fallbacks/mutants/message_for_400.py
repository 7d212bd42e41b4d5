"""Shows what is kept, or the message, where the request itself is wrong."""

CHANGES = (
    (
        "                if not is_providers_fault(error):\n                    raise\n",
        "                if not is_providers_fault(error):\n                    break\n",
    ),
)
