"""The chapter's proof of concept, runnable: one handler, one call to the provider, nothing else (sections 1 and 2).

    python -m loadtests.poc sync|blocking --upstream URL [--port 8001] [--workers 4] [--timeout-s S] [--max-retries N]
        [--payments URL]

| form | what it is | what bounds it |
|---|---|---|
| `sync` | `def` on a pool of `--workers` threads | the threads: four calls of 5 s at once are 0.8 requests per second |
| `blocking` | `async def` around the same synchronous call, `--workers` processes | one call stops its whole process |

It takes the requests of the service (`POST /chat`, `POST /chat/stream`, `GET /health`, `GET /ready`) as far as it can,
so that the same load runs against both; with `--payments` also `POST /refund`, without any idempotency. Read `app.py`
next; `../bench/poc.py` measures it beside the service.
"""
