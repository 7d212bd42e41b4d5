"""After: a call may take so long and no longer, and a call that timed out is not made again.

30 s is the chapter's bound. A chat is worth less patience; the run sets TIMEOUT_S lower still, to fit a terminal.
"""

import os

from anthropic import APIError, AsyncAnthropic
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

TIMEOUT_S = float(os.environ.get("TIMEOUT_S", "30"))

app = FastAPI()
client = AsyncAnthropic(timeout=TIMEOUT_S, max_retries=0)


class Question(BaseModel):
    """The body of a question."""

    text: str


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Wait within bounds."""
    try:
        reply = await client.messages.create(
            model="claude-opus-4-7", max_tokens=256, messages=[{"role": "user", "content": question.text}]
        )
    except APIError as error:  # APITimeoutError is one
        raise HTTPException(503, "no answer in time; try again later") from error
    return {"answer": reply.content[0].text}
