"""Before: whatever the provider refuses is tried four times, by a loop around an SDK that has two retries of its own.

`APIStatusError` is every status from 400 on: the caller's own mistakes as well.
"""

from anthropic import APIStatusError, AsyncAnthropic
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from tenacity import RetryError, retry, retry_if_exception_type, stop_after_attempt, wait_exponential

app = FastAPI()
client = AsyncAnthropic(timeout=30.0)  # max_retries is 2 unless one says otherwise


class Question(BaseModel):
    """The body of a question."""

    text: str
    max_tokens: int = 256
    model: str = "claude-opus-4-7"


@retry(
    stop=stop_after_attempt(4),
    wait=wait_exponential(multiplier=1, min=1, max=10),
    retry=retry_if_exception_type(APIStatusError),
)
async def ask(question: Question) -> str:
    """Four attempts of three calls each."""
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
