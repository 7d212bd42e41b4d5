"""After: the health check says that this process lives, and asks nobody else."""

from anthropic import APIError, AsyncAnthropic
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
client = AsyncAnthropic(max_retries=0, timeout=5.0)


class Question(BaseModel):
    """The body of a question."""

    text: str


async def ask(text: str, max_tokens: int) -> str:
    """One call."""
    reply = await client.messages.create(
        model="claude-opus-4-7", max_tokens=max_tokens, messages=[{"role": "user", "content": text}]
    )
    return reply.content[0].text


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Answer, or say honestly that there is no answer now: it can do so without a provider."""
    try:
        return {"answer": await ask(question.text, 256), "source": "live"}
    except APIError:
        return {"answer": "I cannot answer just now. Please try again in a minute.", "source": "message"}


@app.get("/health")
async def health() -> dict[str, str]:
    """Does this process serve? Whether others do is a question for /ready, and for the dashboard."""
    return {"status": "ok"}
