"""An own error that is an SDK's as well, so that whoever caught that still does."""

CHANGES = (
    (
        "        self.status, self.retryable, self.retry_after_s = status, retryable, retry_after_s\n",
        (
            "        self.status, self.retryable, self.retry_after_s = status, retryable, retry_after_s\n"
            "\n"
            "\n"
            "class Refused(ProviderError, openai.OpenAIError):\n"
            '    """A status other than 200."""\n'
        ),
    ),
    (
        "    return ProviderError",
        "    return Refused",
    ),
)
