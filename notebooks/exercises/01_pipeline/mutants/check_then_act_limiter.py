"""Looks before the call and takes the token after it: all that come meanwhile are let in."""

CHANGES = (
    (
        "            raise RateLimited((1 - self.tokens) / per_s)\n        self.tokens -= 1\n",
        "            raise RateLimited((1 - self.tokens) / per_s)\n",
    ),
    (
        (
            "    state.buckets.setdefault((ask.tenant, ask.user), Bucket(now_s)).take(now_s)\n"
            "    return await go_on(ask)\n"
        ),
        (
            "    bucket = state.buckets.setdefault((ask.tenant, ask.user), Bucket(now_s))\n"
            "    bucket.take(now_s)\n"
            "    reply = await go_on(ask)\n"
            "    bucket.tokens -= 1\n"
            "    return reply\n"
        ),
    ),
    (
        "Take a token, or none and raise RateLimited. Nothing is awaited between the look and the taking.",
        "Raise RateLimited where there is no token.",
    ),
)
