"""A refusal is translated, a lost connection leaves as the SDK's own error."""

CHANGES = (
    (
        (
            "    except (anthropic.APIConnectionError, openai.APIConnectionError) as error:  # a "
            "timeout is one, too\n"
            '        raise ProviderError(f"no answer came: {error}", retryable=True) from error\n'
        ),
        "",
    ),
)
