"""Before: one provider. When it is down, so is this, however well it says so."""

from anthropic import APIError, AsyncAnthropic
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
client = AsyncAnthropic(max_retries=0, timeout=5.0)


class Question(BaseModel):
    """The body of a question."""

    text: str


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Answer as long as the provider does."""
    try:
        reply = await client.messages.create(
            model="claude-opus-4-7", max_tokens=256, messages=[{"role": "user", "content": question.text}]
        )
    except APIError as error:
        raise HTTPException(503, "the provider does not answer; try again later") from error
    return {"answer": reply.content[0].text, "provider": "anthropic"}
