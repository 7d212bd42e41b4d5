"""Before: nobody said how long to wait, so the SDK's default holds: 600 s, and two retries after that."""

from anthropic import APIError, AsyncAnthropic
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
client = AsyncAnthropic()


class Question(BaseModel):
    """The body of a question."""

    text: str


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Wait for whatever comes."""
    try:
        reply = await client.messages.create(
            model="claude-opus-4-7", max_tokens=256, messages=[{"role": "user", "content": question.text}]
        )
    except APIError as error:
        raise HTTPException(503, "no answer now; try again later") from error
    return {"answer": reply.content[0].text}
