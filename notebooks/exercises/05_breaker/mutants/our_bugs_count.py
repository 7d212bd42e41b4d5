"""Whatever else a call raises counts as the provider's fault."""

CHANGES = (
    (
        "            raise\n        else:\n",
        (
            "            raise\n"
            '        except Exception:\n            verdict = "failure"\n            raise\n'
            "        else:\n"
        ),
    ),
)
