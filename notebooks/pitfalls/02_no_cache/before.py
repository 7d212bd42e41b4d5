"""Before: every question goes to the provider, also the one that was answered a second ago."""

from anthropic import AsyncAnthropic
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
client = AsyncAnthropic(max_retries=0, timeout=30.0)


class Question(BaseModel):
    """The body of a question."""

    text: str


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Pay for an answer."""
    reply = await client.messages.create(
        model="claude-opus-4-7", max_tokens=256, messages=[{"role": "user", "content": question.text}]
    )
    return {"answer": reply.content[0].text}
