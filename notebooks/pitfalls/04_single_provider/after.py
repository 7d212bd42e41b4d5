"""After: a question has somewhere else to go, and the answer says where it came from.

The callers of `ask` know no provider: that is what makes a second one possible.
"""

from anthropic import APIError, AsyncAnthropic
from fastapi import FastAPI, HTTPException
from openai import AsyncOpenAI, OpenAIError
from pydantic import BaseModel

app = FastAPI()
anthropic = AsyncAnthropic(max_retries=0, timeout=5.0)
openai = AsyncOpenAI(max_retries=0, timeout=5.0)


class Question(BaseModel):
    """The body of a question."""

    text: str


async def ask_anthropic(text: str) -> str:
    """The first choice."""
    reply = await anthropic.messages.create(
        model="claude-opus-4-7", max_tokens=256, messages=[{"role": "user", "content": text}]
    )
    return reply.content[0].text


async def ask_openai(text: str) -> str:
    """The second."""
    reply = await openai.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": text}])
    return reply.choices[0].message.content or ""


PROVIDERS = {"anthropic": ask_anthropic, "openai": ask_openai}
"""In the order in which they are asked."""


@app.post("/chat")
async def chat(question: Question) -> dict[str, str]:
    """Answer as long as one of them does."""
    for name, ask in PROVIDERS.items():
        try:
            return {"answer": await ask(question.text), "provider": name}
        except (APIError, OpenAIError):
            continue
    raise HTTPException(503, "no provider answers; try again later")
