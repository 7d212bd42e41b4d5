"""Before: plain `def` handlers around the synchronous SDK. FastAPI runs each on a thread, and it has 40 of them."""

from anthropic import Anthropic
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
client = Anthropic(max_retries=0, timeout=30.0)


class Question(BaseModel):
    """The body of a question."""

    text: str


@app.post("/chat")
def chat(question: Question) -> dict[str, str]:
    """Hold a thread until the provider has answered."""
    reply = client.messages.create(
        model="claude-opus-4-7", max_tokens=256, messages=[{"role": "user", "content": question.text}]
    )
    return {"answer": reply.content[0].text}


@app.get("/health")
def health() -> dict[str, str]:
    """Nothing to do, yet it waits for a thread like everybody else."""
    return {"status": "ok"}
