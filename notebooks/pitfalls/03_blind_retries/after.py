"""After: one loop retries, only what may pass by itself, at random moments, and no more than a share of all calls."""

from anthropic import APIConnectionError, APIStatusError, AsyncAnthropic
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from tenacity import RetryCallState, retry, retry_if_exception, stop_after_attempt, stop_any, wait_random_exponential

PASSING = {408, 429, 500, 502, 503, 504, 529}  # another attempt may not meet them; a 400 is the same tomorrow

app = FastAPI()
client = AsyncAnthropic(max_retries=0, timeout=30.0)
budget = 5.0  # retries that may be made now: a question adds a tenth of one


class Question(BaseModel):
    """The body of a question."""

    text: str
    max_tokens: int = 256
    model: str = "claude-opus-4-7"


def may_pass(error: BaseException) -> bool:
    """Whether it is worth another attempt. A time-out is a connection error here."""
    return isinstance(error, APIConnectionError) or (isinstance(error, APIStatusError) and error.status_code in PASSING)


def spent(state: RetryCallState) -> bool:
    """Whether the budget is used up; else it pays for one retry."""
    global budget
    if budget < 1:
        return True
    budget -= 1
    return False


@retry(
    stop=stop_any(stop_after_attempt(4), spent),
    wait=wait_random_exponential(multiplier=0.2, max=2),
    retry=retry_if_exception(may_pass),
    reraise=True,
)
async def ask(question: Question) -> str:
    """One attempt is one call."""
    reply = await client.messages.create(
        model=question.model,
        max_tokens=question.max_tokens,
        messages=[{"role": "user", "content": question.text}],
    )
    return reply.content[0].text


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Answer, or say soon that there is no answer now, and whose fault it is."""
    global budget
    budget = min(budget + 0.1, 5.0)
    try:
        return {"answer": await ask(question)}
    except (APIConnectionError, APIStatusError) as error:
        raise HTTPException(503 if may_pass(error) else 400, "no answer") from error
