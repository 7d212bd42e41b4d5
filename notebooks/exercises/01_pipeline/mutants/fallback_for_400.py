"""Asks the other provider, too, what the first one refused."""

CHANGES = (
    (
        (
            "    except ProviderError as error:\n"
            "        if not is_providers_fault(error):\n"
            "            raise\n"
            "    except CircuitOpen:\n"
            "        pass\n"
        ),
        "    except (ProviderError, CircuitOpen):\n        pass\n",
    ),
)
