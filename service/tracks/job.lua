-- One job. KEYS: its record. ARGV: operation, then what it takes (job_record.py).
-- Answers {'ok' | 'new' | 'there' | 'gone' | 'ended' | 'superseded', ...}. A job that has ended never changes its end; what a
-- worker does is taken only from the one that began the job last.
local key, op = KEYS[1], ARGV[1]
local known = redis.call('HMGET', key, 'status', 'delivery')
local status, held = known[1], known[2]

local function finish(status, ended, keep_ms, outbox, first)
  local gone = {'text', 'question', 'next_at', 'waits_for'}
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 5) == 'step:' then gone[#gone + 1] = name end
  end
  for place = 1, #gone, 1000 do redis.call('HDEL', key, unpack(gone, place, math.min(place + 999, #gone))) end
  redis.call('HSET', key, 'status', status, 'ended_at', ended)
  if #ARGV >= first then redis.call('HSET', key, unpack(ARGV, first)) end
  if outbox ~= '' and redis.call('HEXISTS', key, 'webhook_url') == 1 then redis.call('HSET', key, 'outbox', outbox) end
  redis.call('PEXPIRE', key, keep_ms)
  return {'ok'}
end

local function spend(token, input, output, nano_usd, unpriced) -- once for each token: whoever got no answer says it again
  if redis.call('HSETNX', key, 'spent:' .. token, 1) == 0 then return end
  redis.call('HINCRBY', key, 'input_tokens', input)
  redis.call('HINCRBY', key, 'output_tokens', output)
  redis.call('HINCRBY', key, 'cost_nano_usd', nano_usd)
  redis.call('HINCRBY', key, 'unpriced', unpriced)
end

if op == 'create' then -- lifetime in ms, fields
  if status then return {'there'} end
  redis.call('HSET', key, 'status', 'queued', 'delivery', 0, unpack(ARGV, 3))
  redis.call('PEXPIRE', key, ARGV[2])
  return {'new'}
end
if not status then return {'gone'} end
if op == 'spend' then -- token, input and output tokens, nano-USD, attempts without a price
  spend(unpack(ARGV, 2))
  return {'ok'}
elseif op == 'told' then -- message id
  redis.call('HDEL', key, 'outbox')
  redis.call('HSET', key, 'webhook_id', ARGV[2])
  return {'ok'}
end
if status ~= 'queued' and status ~= 'running' then return {'ended'} end
if op == 'cancel' then -- ended, kept for ms, outbox
  return finish('cancelled', ARGV[2], ARGV[3], ARGV[4], 5)
elseif op == 'begin' then -- now
  local delivery = redis.call('HINCRBY', key, 'delivery', 1)
  redis.call('HSETNX', key, 'started_at', ARGV[2])
  redis.call('HSET', key, 'status', 'running')
  redis.call('HDEL', key, 'next_at')
  return {'ok', delivery}
end
if ARGV[2] ~= held then return {'superseded'} end
if op == 'plan' then -- delivery, steps in all
  redis.call('HSET', key, 'total', ARGV[3])
elseif op == 'step' then -- delivery, name, text, then as 'spend'
  redis.call('HDEL', key, 'failures', 'waits_for')
  if redis.call('HSETNX', key, 'step:' .. ARGV[3], ARGV[4]) == 1 then -- else it was written by a try that got no answer
    redis.call('HINCRBY', key, 'done', 1)
  end
  spend(unpack(ARGV, 5))
elseif op == 'wait' then -- delivery, until, for what
  redis.call('HSET', key, 'next_at', ARGV[3], 'waits_for', ARGV[4])
  redis.call('HINCRBY', key, 'failures', 1)
elseif op == 'finish' then -- delivery, status, ended, kept for ms, outbox, fields
  return finish(ARGV[3], ARGV[4], ARGV[5], ARGV[6], 7)
end
return {'ok'}
