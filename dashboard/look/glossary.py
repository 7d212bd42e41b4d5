"""Every term of the pages, explained where the mouse rests, with the chapter's section. Read `tiles.py` next."""

TERMS: dict[str, str] = {
    "request rate": "Chat requests that ended, per second (all three chat endpoints, also those that were refused). "
    "Chapter, section 2.",
    "success": "Share of requests that got an answer, from wherever it came: status 200, read to its end. Refusals "
    "of the caller's own faults and clients who left are not counted at all. Chapter, section 1.",
    "degraded": "Share of answers that are not what was wished: another provider, a smaller model, a stale answer, "
    "or one without the conversation's memory. An answer says so itself. Chapter, section 4.",
    "percentiles": "Half of the requests took at most p50, 95 of 100 at most p95, 99 of 100 at most p99; from "
    "arrival to the last byte. Means hide the slow ones. Exact to 2.5 %. Chapter, section 1 (observability).",
    "first token": "Time to first token: from arrival to the first piece of a streamed answer, which is when a person "
    "sees that something happens. Half of the streams were quicker (p50). Chapter, section 3.",
    "cost": "What attempts cost, failed and abandoned ones too, in USD by the prices per token. Chapter, section 2 "
    "(cost visibility).",
    "cost rate": "What all attempts cost, failed and abandoned ones too, in USD per minute. Chapter, section 2 (cost "
    "visibility).",
    "hit rate": "Share of answers that came from the cache, or were shared with someone who asked the same at the same "
    "time. The chapter's target is 30-70 %, more for deterministic tasks. Chapter, section 7.",
    "amplification": "Calls to providers per request. 1 is a service without cache or trouble; cache hits bring it "
    "down, retries and fallbacks up. Blind retries in an outage are how it explodes. Chapter, sections 5 and 6.",
    "source": "Where an answer came from: the primary provider, another one, a smaller model, the cache, a stale "
    "entry, or the honest message that says when to try again. Chapter, section 4.",
    "fault window": "A shaded band: the simulator is injecting this fault at that time. It is the simulator's own "
    "timeline, not a guess from its effects.",
    "stage switch": "A dashed line: a stage was switched off (−) or on (+) for the whole fleet.",
    "breaker": "Circuit breaker: after 5 failures in a row a provider is not called for 30 s; the next rung answers "
    "at once. One circuit per provider for all workers. Chapter, section 5.",
    "closed": "Closed: calls go through, failures are counted. Chapter, section 5.",
    "open": "Open: the provider is not called; requests go to the next rung at once. Chapter, section 5.",
    "half-open": "Half-open: the cool-down is over and one single request of the whole fleet probes the provider; "
    "success closes the circuit, failure opens it again. The breaker of the chapter's section 5 lacks it: after the "
    "cool-down it lets every call through.",
    "paused": "Paused: the provider answered 429 with Retry-After; until then the fleet does not call it. That is no "
    "failure: the circuit stays closed, also in the strip of circuits. Beyond the chapter.",
    "probe": "Seconds until one request may try a provider whose circuit is open. Beyond the chapter's section 5.",
    "attempt": "One call to a provider. A request may make several: retries at one provider, then the next rung.",
    "bucket": "Token bucket: each user and each tenant has a bucket of requests and one of tokens that fill with time; "
    "an empty one means 429. A bar is what is left of the most seen so far; the user is "
    "the tenant's last one. Chapter, section 5 (rate limit).",
    "cache": "Same question, same parameters, same tenant: answered from the store. Chapter, section 5.",
    "rate_limit": "Rate limit: token buckets per user and tenant, for all workers. Chapter, section 5.",
    "fallback": "When a provider cannot answer: the next provider, a smaller model, a stale answer, an honest message. "
    "Chapter, sections 4 and 8.",
    "retry": "408, 429, 5xx, timeouts and broken connections only, before the first token only, with full jitter, "
    "within a budget and the deadline. Chapter, section 5.",
    "retrieval": "Before a model is asked, a route with retrieval searches the handbook by words and by vectors, and "
    "gives the model the best passages. Off: it answers from the conversation. Chapter, section 1 (layer 3).",
    "rerank": "A reranker reads question and passage together and puts the best first. It is the first thing to "
    "be left out under pressure; off: the fused order of the two searches. Chapter, section 1 (layer 3).",
    "retrieval quality": "Recall at 5: the share of questions with a right passage among the first five found. MRR: "
    "the mean of 1 / rank of the first right one, 0 where there is none. Chapter, section 1 (layer 3).",
    "bulkhead": "So many calls at once per provider and worker; a full one fails fast to the next rung, so that one "
    "hanging provider cannot take every slot. (Nygard, Release It!)",
    "call": "The provider's API with timeouts for connecting, the first token, idling and the whole. "
    "Chapter, sections 5 and 6.",
    "full jitter": "A wait drawn evenly between 0 and the bound, which doubles with each attempt; so clients that "
    "failed together do not come back together. Chapter, section 4.",
    "retry budget": "Retries are paid from a budget that requests fill slowly: in an outage most retries are refused, "
    "and the provider is not hammered. (Finagle, gRPC)",
    "single-flight": "The same question asked a hundred times at once is one call; the others wait and share. "
    "Chapter, section 1.",
    "share": "Which part of the calls a fault hits, drawn by seed and request, so that it repeats.",
    "saved": "What answers from the cache, and shared ones, had cost when they were made.",
    "purpose": "Money for the answer of the first rung, for one of a later rung (fallback), for attempts that failed "
    "(retry), and for attempts that nobody wanted any more (abandoned): a client who left is still billed.",
    "budget": "USD that a tenant may spend per day; what then happens to requests is a setting. Chapter, section 2.",
    "deadline": "One for the whole request, over all attempts: 5 s for chat. Chapter, section 3.",
    "waterfall": "What happened when: each passage through a stage, each decision, each call and each wait on one "
    "time axis. Chapter, section 1 (observability).",
    "tail sampling": "Every request has its record; of traces only some are kept: errors, degraded and slow ones "
    "first. Where a trace was not kept the record is shown.",
    "idempotency": "The same Idempotency-Key never executes twice: the stored response is given again. "
    "Chapter, section 5.",
    "outcome": "How a request ended: answered; degraded (answered, not as wished); unavailable (503, mostly the honest "
    "message); refused (4xx, the caller's fault or limit); failed (our fault); stream broken (it ended in an error); "
    "client left (before the end).",
    "rung": "One step of a route's ladder: a model at a provider. Rung 0 is asked first. Chapter, section 2.",
    "Retry-After": "What a provider's 429 may say: how many seconds to wait. It sets a pause of that provider; a long "
    "one means the next rung instead.",
    "refused": "Answered with a 4xx: the caller's fault, or the caller's limit.",
    "honest message": "503, with the time to come back: no provider could answer and there is no stale answer, or the "
    "service lets nobody in. "
    "Chapter, section 8 (what to show the user).",
    "stale": "An answer that was stored longer ago than it is fresh, given because nobody can give a new one.",
    "smaller model": "A cheaper, quicker model of a later rung. Chapter, section 4.",
    "ended by us": "A call that nobody wanted any more: the client left, or the deadline came. It is billed.",
    "not ours": "Refused for what was asked (the caller's fault) or for our key or model name (ours): repeating such a "
    "call cannot help.",
    "client left": "Closed the connection before the answer's end; the call to the provider is cancelled.",
    "failed": "For a request: our 5xx, or a stream that broke. For a call: 5xx, no connection, no answer in what came.",
    "stages": "Six steps around each call to a provider. Off means stepped over, for all workers at once; each change "
    "is a dashed line on the charts. Chapter, section 5.",
    "break": "A click plans one fault in the simulator, from now, for the duration below; it is a shaded band on the "
    "charts. Chapter, section 1 (what breaks a PoC).",
    "duration": "How long the fault lasts; Stop all faults ends it sooner.",
    "per hour": "What was spent, at this pace for an hour: counted from the range's first request, at least a minute. "
    "Chapter, section 2 (cost visibility).",
    "per answer": "All that was spent on chats, failed and abandoned attempts too, by the chats that got an answer, "
    "wished or degraded, from wherever it came: cache hits bring it down. Chapter, section 2 (cost visibility).",
    "unpriced": "Calls to a model whose price is not known. They cost something, and nobody here knows what: they are "
    "in no sum of this page. Chapter, section 2 (cost visibility).",
    "tokens": "What is paid for: those of the question with its context (in) and of the answer (out), as the provider "
    "stated them; where it did not, our estimate of what came. Chapter, section 2 (cost visibility).",
    "budget of today": "USD that a tenant may spend in a day (UTC), kept in the store for all workers. It warns; "
    "beyond it all but cache hits are refused only where `budget.stop` says so. Chapter, section 2.",
    "pseudonym": "Telemetry knows a user by a keyed hash of the name, never by the name. Search by the name: the page "
    "makes the same hash. Chapter, section 7.",
    "fail-over": "A retry is the same model at the same provider again, after a wait, paid from the retry budget. A "
    "fail-over is the next rung of the route's ladder, at once, and costs no budget. Chapter, sections 2 and 6.",
    "bounded calls": "Every call to somebody else has a time limit under the request's deadline, is repeated only "
    "where that helps, and is not made while the circuit is open. Chapter, section 7 (operations checklist).",
    "outside sessions": "Threads and preferences live in the store, none in a process: any worker goes on with any "
    "conversation, and more workers can be added. Chapter, sections 6 and 7.",
    "waiting": "Asynchronous input and output: while one request waits for a provider, its worker serves others. A "
    "worker that blocks serves one. Chapter, sections 2 and 6.",
    "readiness": "`/health`: does the process live? It asks nobody. `/ready`: can it work? It asks the store, never a "
    "provider, so that their outage is not ours. Chapter, sections 6 and 7.",
    "searchable": "A record for every request, with its id and its user's pseudonym, a keyed hash of the name; logs "
    "and traces carry both. Chapter, section 7 (operations checklist).",
    "personal data": "What shows by its form (e-mail, telephone, card, IBAN) is not cached, and masked where text is "
    "told at all. What no form betrays is not found. Chapter, section 7 (operations checklist).",
    "queue": "What is to be done after the answer waits here for a worker process; it survives a worker that "
    "is killed: its task is given to another within seconds. Chapter, section 3 (background "
    "processing).",
    "queue age": "How long the oldest task has waited for a worker. When it grows, workers are too few or hang; a "
    "queue that is too deep refuses new jobs with 503 and Retry-After. Chapter, section 3 (background "
    "processing).",
    "lane": "Each track has a lane of its own in the queue, with its own slots: long documents hold up no webhook.",
    "work running": "Tasks that a worker process has taken and not finished.",
    "work ended": "Jobs and runs of the agent that ended. What failed is ours to mend: the story of each says why.",
    "job": "Work that takes longer than a person waits for a page: the answer to the request is 202 and an "
    "id; progress and result are fetched, or sent to a webhook. Chapter, section 3 (background "
    "processing).",
    "job times": "Of jobs that ended: how long they waited for a worker, and how long they ran (medians).",
    "own work": "A step of a job or a run: asked through the same stages as a request, with a record and a trace "
    "of its own (method WORK). No client waits for it, so it counts in no figure of the Live page. "
    "Chapter, section 3.",
    "webhook": "A signed call to the user's own server when something has ended. It is tried for hours with "
    "back-off and jitter, under the same id each time, so that receivers can take it once. Chapter, "
    "section 3 (webhooks).",
    "dead letter": "A message that no try could deliver. It is kept for a week, and an operator can send it off "
    "again. Chapter, section 3 (webhooks).",
    "approval": "The agent may refund up to a limit by itself; above it, it stops at a checkpoint and waits for a "
    "person (human in the loop). Decided once, whoever clicks first. Chapter, section 3 (agents).",
    "checkpoint": "After each step the agent's state is kept, so that another worker goes on where one died, and "
    "the money moves once. Chapter, section 3 (agents).",
    "worker mark": "A dashed line: a worker process began (+), ended in order (−), or died without a word (✕).",
    "live evidence": "What happened while telemetry was kept. It shows that something works, not that it always does: "
    "an audit breaks each promise on purpose. Chapter, section 7 (operations checklist).",
    "audit": "Somebody tried to break each promise from outside. Proved: it held, and what showed it is said. Refuted: "
    "it broke. Unobservable: what would show it could not be seen, which is no proof. Chapter, section 7 (operations "
    "checklist).",
}


def explained(term: str) -> str:
    """The words for a term. Raises KeyError for one that has none: every term of a page has."""
    return TERMS[term]
