-- Token buckets of one tenant and one of its users: requests and tokens, taken together or not at all; the tenant's budget.
-- KEYS: the tenant's bucket, the user's, and what the tenant spent today if it has a budget (one hash slot).
-- ARGV: operation, estimate, then per bucket: requests per minute, burst, tokens per minute; for 'take' the nano-USD from
-- which on the budget stops, or -1; for 'settle' the tokens used, nano-USD spent and attempts without a price.
-- 'take' reserves one request and the estimate; 'settle' turns what was reserved into what was used.
-- Answers {allowed, which, wait in ms, requests left (user), tokens left (user), requests left (tenant), tokens left
-- (tenant), nano-USD spent, attempts without a price, seconds left of the day (UTC)}.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local op, tokens = ARGV[1], tonumber(ARGV[2])
local scopes = {'tenant', 'user'}
local buckets, wait, which = {}, 0, ''

for i = 1, 2 do
  local rate, burst, per_min = tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local s = redis.call('HMGET', KEYS[i], 'requests', 'tokens', 'at')
  local since = now - tonumber(s[3] or now)
  local b = {
    requests = math.min(burst, tonumber(s[1] or burst) + since * rate / 60000),
    tokens = math.min(per_min, tonumber(s[2] or per_min) + since * per_min / 60000),
    full_ms = 60000 * math.max(burst / rate, 1),
  }
  b.asked = math.min(tokens, per_min)
  if op == 'take' then
    local short = math.max((1 - b.requests) * 60000 / rate, 0)
    local short_tokens = math.max((b.asked - b.tokens) * 60000 / per_min, 0)
    if short > wait then wait, which = short, scopes[i] .. '_requests' end
    if short_tokens > wait then wait, which = short_tokens, scopes[i] .. '_tokens' end
  end
  b.limit = per_min
  buckets[i] = b
end

local day, spent, unpriced = math.floor(clock[1] / 86400), 0, 0
if KEYS[3] then
  local b = redis.call('HMGET', KEYS[3], 'day', 'spent', 'unpriced')
  if tonumber(b[1] or -1) == day then spent, unpriced = tonumber(b[2]), tonumber(b[3]) end
  if op == 'settle' and (ARGV[10] ~= '0' or ARGV[11] ~= '0') then
    if tonumber(b[1] or -1) ~= day then redis.call('HSET', KEYS[3], 'day', day, 'spent', 0, 'unpriced', 0) end
    spent = redis.call('HINCRBY', KEYS[3], 'spent', ARGV[10])
    unpriced = redis.call('HINCRBY', KEYS[3], 'unpriced', ARGV[11])
    redis.call('EXPIRE', KEYS[3], 172800)
  elseif op == 'take' and tonumber(ARGV[9]) >= 0 and spent >= tonumber(ARGV[9]) then
    wait, which = 1, 'budget'
  end
end

local allowed = 1
if op == 'settle' then
  for i = 1, 2 do
    local b = buckets[i]
    b.tokens = math.max(math.min(b.limit, b.tokens + b.asked - tonumber(ARGV[9])), -b.limit)
  end
elseif wait > 0 then
  allowed = 0
else
  for i = 1, 2 do
    buckets[i].requests = buckets[i].requests - 1
    buckets[i].tokens = buckets[i].tokens - buckets[i].asked
  end
end
for i = 1, 2 do
  local b = buckets[i]
  redis.call('HSET', KEYS[i], 'requests', string.format('%.6f', b.requests),
    'tokens', string.format('%.3f', b.tokens), 'at', string.format('%.3f', now))
  redis.call('PEXPIRE', KEYS[i], math.ceil(2 * b.full_ms))
end
return {allowed, which, math.ceil(wait), math.floor(buckets[2].requests), math.floor(buckets[2].tokens),
  math.floor(buckets[1].requests), math.floor(buckets[1].tokens), spent, unpriced, 86400 - clock[1] % 86400}
