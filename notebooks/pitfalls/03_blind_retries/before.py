"""Before: whatever the provider refuses is tried four times, by a loop around an SDK that has two retries of its own.

`APIStatusError` is every status from 400 on: the caller's own mistakes as well.
"""

from anthropic import APIStatusError, AsyncAnthropic
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_chain, wait_fixed

WAITS_S = (1, 2, 4)  # before the second attempt, the third and the fourth

app = FastAPI()
client = AsyncAnthropic(timeout=30.0)  # max_retries is 2 unless one says otherwise


class Question(BaseModel):
    """The body of a question."""

    text: str
    max_tokens: int = 256
    model: str = "claude-opus-4-7"


async def ask(question: Question) -> str:
    """Four attempts of three calls each."""
    loop = AsyncRetrying(
        retry=retry_if_exception_type(APIStatusError),
        wait=wait_chain(*map(wait_fixed, WAITS_S)),
        stop=stop_after_attempt(1 + len(WAITS_S)),
    )
    async for attempt in loop:
        with attempt:
            reply = await client.messages.create(
                model=question.model,
                max_tokens=question.max_tokens,
                messages=[{"role": "user", "content": question.text}],
            )
    return reply.content[0].text


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Answer, or give up after some thirteen seconds."""
    try:
        return {"answer": await ask(question)}
    except RetryError as error:
        raise HTTPException(503, "no answer now") from error
