"""Worse: `async def` around the synchronous SDK. It runs on the event loop, and nothing else does meanwhile."""

from anthropic import Anthropic
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
client = Anthropic(max_retries=0, timeout=30.0)


class Question(BaseModel):
    """The body of a question."""

    text: str


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Stop the whole worker until the provider has answered: there is no `await` here."""
    reply = client.messages.create(
        model="claude-opus-4-7", max_tokens=256, messages=[{"role": "user", "content": question.text}]
    )
    return {"answer": reply.content[0].text}


@app.get("/health")
async def health() -> dict[str, str]:
    """Nothing to do, yet it waits for the loop."""
    return {"status": "ok"}
