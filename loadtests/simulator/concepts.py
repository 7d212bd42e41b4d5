"""What a model has learned about words: which of them mean nearly the same (DESIGN section 5).

Embeddings of a real model bring "money was taken twice" near "a duplicate charge"; ours would compare letters only.
These groups are general English and the field's common talk, so that searching by meaning finds what searching by words
does not. Read `vectors.py` next: it makes vectors of them.
"""

from __future__ import annotations

from functools import lru_cache

from .wording import stem

_GROUPS = (
    "money charge bill billing invoice pay payment paid cost price expensive dear cheap dollar fee spend spent budget",
    "refund reimburse repay return",
    "buy purchase order checkout shop customer client user buyer",
    "twice double duplicate duplicated repeat repeated again same identical copy",
    "slow sluggish late latency delay lag long wait waiting takes seconds",
    "fast quick quickly speed instant immediately rapid soon",
    "crash crashed die died dead kill killed down outage unavailable offline gone",
    "break broken fail failed failure error crash die dead outage down",
    "hang hung freeze frozen stuck silent silence unresponsive stall",
    "restart reboot recover recovery heal back return resume continue",
    "retry reattempt repeat again another attempt try",
    "limit quota cap bound maximum ceiling threshold",
    "overload flood burst spike surge rush traffic load busy crowd peak",
    "refuse reject deny turn away shed decline",
    "queue backlog pile line waiting pending",
    "cache stored remember saved kept reuse memo",
    "old stale outdated expired aged obsolete",
    "new fresh recent current latest updated",
    "delete remove erase forget clear wipe purge drop",
    "secret key password token credential login",
    "leak expose reveal disclose private privacy personal confidential sensitive",
    "attack hack malicious inject injection abuse attacker hostile trick",
    "sign signature verify authentic forged fake",
    "test check measure evaluate verify assess judge",
    "watch observe monitor see dashboard look inspect trace",
    "alert alarm page notify warn notification",
    "log record journal history audit",
    "deploy release rollout ship version upgrade update change",
    "rollback revert undo",
    "person human people someone manager staff operator approve approval permission consent allow",
    "question query ask prompt request",
    "answer reply response respond output",
    "search find lookup retrieve retrieval",
    "document text article page file passage paragraph source",
    "meaning semantic similar similarity alike synonym",
    "word term keyword vocabulary lexical",
    "rank order sort score best relevance",
    "memory remember recall forget history conversation",
    "chat conversation dialog talk thread session",
    "stream streaming piece chunk partial incremental",
    "cut truncate truncated incomplete half unfinished interrupted",
    "background asynchronous job task work worker later batch",
    "schedule timer cron time clock deadline timeout expire",
    "split divide chunk part piece section",
    "combine merge join fuse together",
    "random jitter spread scatter",
    "share common together joint",
    "separate isolate compartment independent apart bulkhead",
    "provider vendor supplier upstream api service backend",
    "database store storage redis disk persist save",
    "server machine host process node replica instance worker",
    "network connection socket link wire",
    "close shut end stop finish terminate quit",
    "open start begin launch",
    "big large huge long many great",
    "small little tiny short few less",
    "average mean median percentile typical",
    "example sample case instance",
    "rule policy law guideline",
    "guess estimate predict approximate",
    "wrong incorrect false mistake bad invalid bug",
    "right correct true valid good proper",
    "agent assistant bot tool",
    "customer tenant account organisation company",
    "message mail email notification webhook callback",
    "deliver send sent post transmit",
    "receive accept take get arrive",
    "lost lose missing vanish disappear",
    "safe safely secure harmless protect protection",
    "tell inform report say honest announce",
    "choose pick select decide decision",
    "smaller cheaper lighter weaker mini",
    "fallback alternative backup substitute replacement instead spare secondary",
    "degrade degraded reduced worse partial limited",
    "model llm gpt claude",
)
_OF: dict[str, set[int]] = {}
for _number, _group in enumerate(_GROUPS):
    for _word in _group.split():
        _OF.setdefault(stem(_word), set()).add(_number)


@lru_cache(maxsize=16384)
def concepts(word: str) -> frozenset[int]:
    """Return the groups that a stem belongs to; none for most words."""
    return frozenset(_OF.get(word, ()))
