-- One message. KEYS: its record. ARGV: operation, then what it needs; times in ms.
-- 'open' lifetime, field, value, ...      -> {'new'} or {state}, and then nothing was changed
-- 'claim' owner, lease                    -> {'mine', tries, spent}, {'busy' | 'early', ms left}, {state} or {'gone'}
-- 'finish' owner, state, status, error, next try in, lifetime, time of end -> {'ok'} or, to one who lost the claim, {'lost'}
-- 'redrive' lifetime                      -> {'ok', redrives}, {state} or {'gone'}
local key, op = KEYS[1], ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local r = redis.call('HMGET', key, 'state', 'owner', 'until', 'next_at', 'tries', 'spent')
local function text(number) return string.format('%.0f', number) end

if op == 'open' then
  if r[1] then return {r[1]} end
  redis.call('HSET', key, 'state', 'pending', 'tries', 0, 'spent', 0, unpack(ARGV, 3))
  redis.call('PEXPIRE', key, ARGV[2])
  return {'new'}
end
if not r[1] then return {'gone'} end
if op == 'claim' then
  if r[1] ~= 'pending' then return {r[1]} end
  if r[3] and now < tonumber(r[3]) then return {'busy', text(tonumber(r[3]) - now)} end
  if r[4] and now < tonumber(r[4]) then return {'early', text(tonumber(r[4]) - now)} end
  redis.call('HSET', key, 'owner', ARGV[2], 'until', text(now + ARGV[3]))
  return {'mine', text(redis.call('HINCRBY', key, 'tries', 1)), r[6]}
elseif op == 'finish' then
  if r[1] ~= 'pending' or r[2] ~= ARGV[2] then return {'lost'} end
  redis.call('HDEL', key, 'owner', 'until')
  redis.call('HSET', key, 'state', ARGV[3], 'last_status', ARGV[4], 'last_error', ARGV[5],
    'next_at', text(now + ARGV[6]))
  if ARGV[3] ~= 'pending' then redis.call('HSET', key, 'ended_at', ARGV[8]) end
  redis.call('PEXPIRE', key, ARGV[7])
  return {'ok'}
elseif op == 'redrive' then
  if r[1] == 'delivered' then return {r[1]} end
  if r[1] == 'dead' then
    redis.call('HSET', key, 'state', 'pending', 'spent', r[5])
    redis.call('HDEL', key, 'ended_at')
  end
  redis.call('HDEL', key, 'next_at')
  redis.call('PEXPIRE', key, ARGV[2])
  return {'ok', text(redis.call('HINCRBY', key, 'redrives', 1))}
end
