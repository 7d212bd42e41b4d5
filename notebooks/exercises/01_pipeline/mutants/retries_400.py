"""Tries everything again, a 400 too."""

CHANGES = (
    (
        (
            "        except ProviderError as error:\n"
            "            if not is_providers_fault(error):\n"
            "                raise\n"
            "        await"
        ),
        "        except ProviderError:\n            pass\n        await",
    ),
)
