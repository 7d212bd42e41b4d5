"""After: `async def` and the asynchronous SDK. While one question waits, the loop serves the others."""

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
    """Give the loop away while waiting: that is what `await` says."""
    reply = await client.messages.create(
        model="claude-opus-4-7", max_tokens=256, messages=[{"role": "user", "content": question.text}]
    )
    return {"answer": reply.content[0].text}


@app.get("/health")
async def health() -> dict[str, str]:
    """Answered between two steps of the loop."""
    return {"status": "ok"}
