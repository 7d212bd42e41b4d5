"""Tries again whatever was raised, a KeyError of our own too."""

CHANGES = (
    (
        "        except ProviderError as error:\n",
        (
            "        except Exception as raised:\n"
            "            error = raised if isinstance(raised, ProviderError) else ProviderError(None)\n"
        ),
    ),
)
