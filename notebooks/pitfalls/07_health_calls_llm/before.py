"""Before: the health check asks the provider, so whoever restarts the unhealthy restarts it in a provider's outage."""

from anthropic import APIError, AsyncAnthropic
from fastapi import FastAPI, HTTPException
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
    """Is everything all right, out there too?"""
    try:
        await ask("ping", 1)
    except APIError as error:
        raise HTTPException(503, "the provider does not answer") from error
    return {"status": "ok"}
