-- Token buckets of one tenant and one of its users: requests and tokens, taken together or not at all.
-- KEYS: the tenant's bucket, the user's (one hash slot).
-- ARGV: operation, estimate, then per bucket: requests per minute, burst, tokens per minute; for 'settle' the tokens used.
-- 'take' reserves one request and the estimate; 'settle' turns what was reserved into what was used.
-- Answers {allowed, which, wait in ms, requests left (user), tokens left (user), requests left (tenant)}.
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
  math.floor(buckets[1].requests)}
