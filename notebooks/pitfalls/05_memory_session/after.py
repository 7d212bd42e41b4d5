"""After: the conversation is in Redis, where every replica finds it, and where it ends by itself after a week."""

import json
import os

import redis.asyncio as redis
from anthropic import AsyncAnthropic
from fastapi import FastAPI
from pydantic import BaseModel

WEEK_S = 7 * 24 * 3600

app = FastAPI()
client = AsyncAnthropic(max_retries=0, timeout=30.0)
store = redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


class Turn(BaseModel):
    """What somebody says next."""

    user: str
    text: str


@app.post("/chat")
async def chat(turn: Turn) -> dict[str, str]:
    """Answer from what any replica has heard; two turns of one user at once would need a lock."""
    key = f"conversation:{turn.user}"
    history = [json.loads(message) for message in await store.lrange(key, 0, -1)]
    asked = {"role": "user", "content": turn.text}
    reply = await client.messages.create(model="claude-opus-4-7", max_tokens=256, messages=[*history, asked])
    answer = reply.content[0].text
    async with store.pipeline() as both:
        both.rpush(key, json.dumps(asked), json.dumps({"role": "assistant", "content": answer}))
        both.expire(key, WEEK_S)
        await both.execute()
    return {"answer": answer}
