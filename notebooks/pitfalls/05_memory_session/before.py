"""Before: the conversation is in a dict, so it belongs to this process and ends with it."""

from collections import defaultdict

from anthropic import AsyncAnthropic
from anthropic.types import MessageParam
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
client = AsyncAnthropic(max_retries=0, timeout=30.0)
conversations: dict[str, list[MessageParam]] = defaultdict(list)


class Turn(BaseModel):
    """What somebody says next."""

    user: str
    text: str


@app.post("/chat")
async def chat(turn: Turn) -> dict[str, str]:
    """Answer from what this process has heard."""
    history = conversations[turn.user]
    history.append({"role": "user", "content": turn.text})
    reply = await client.messages.create(model="claude-opus-4-7", max_tokens=256, messages=history)
    answer = reply.content[0].text
    history.append({"role": "assistant", "content": answer})
    return {"answer": answer}
