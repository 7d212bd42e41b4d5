"""Reckons in dollars, rounded to a millionth, as floats do it."""

CHANGES = (
    (
        "return input_tokens * self.input + output_tokens * self.output",
        (
            "cost_usd = round(input_tokens * self.input / 1e9 + output_tokens * self.output / 1e9, 6)\n"
            "        return int(cost_usd * 1e9)"
        ),
    ),
)
