-- One run of the agent, as everybody sees it. KEYS: its hash.
-- ARGV: operation, life in ms, and what the operation needs. Whoever works on a run has taken it, under a name of its own:
-- what an earlier taker says later is refused. 'deliveries' counts the takers; where Redis loses its last second, it may
-- give a number twice, but no name.
-- 'create' (field, value, …) answers {'ok'} or, where it is there already, {'known', its text}.
-- 'take' (lease in ms, taker) answers {'taken', which taker, the run's fields…}, {'busy', ms left}, {'ended', fields…} or
-- {'gone'}.
-- 'hold' (taker, lease in ms) and 'note' (taker, lease in ms, field, value, …) answer {'ok'}, {'lost'} or {'gone'}.
-- 'wait' (taker, field, value, …) lets the run go until somebody decides; the same, or, held still, {'decided'}.
-- 'let_go' (taker, field, value, …) and 'finish' (taker, field, value, …) end the hold; {'ok'}, {'lost'} or {'gone'}.
-- 'decide' (decision, its key, approval's ms, field, value, …) answers {'ok'}, {'again'} (the same by the
-- same key), {'refused', status}, {'late'} or {'gone'}; decision 'expired' is taken only once it is late, the others before. What was
-- decided on is kept as 'decided_on'.
local key, op, life = KEYS[1], ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ended = {completed = true, failed = true, rejected = true}
local r = redis.call('HMGET', key, 'status', 'taker', 'held_until', 'waiting_since_ms', 'decision_key', 'proposal', 'decision')
local status = r[1]

local function set(from)
  for i = from, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
  redis.call('HSET', key, 'updated_ms', string.format('%.0f', now))
  redis.call('PEXPIRE', key, life)
end

local function with_fields(answer)
  for _, part in ipairs(redis.call('HGETALL', key)) do answer[#answer + 1] = part end
  return answer
end

if op == 'create' then
  if status then return {'known', redis.call('HGET', key, 'text')} end
  redis.call('HSET', key, 'status', 'queued', 'deliveries', '0', 'created_ms', string.format('%.0f', now))
  set(3)
  return {'ok'}
end
if not status then return {'gone'} end
if op == 'take' then
  if ended[status] then return with_fields({'ended'}) end
  local until_ms = tonumber(r[3] or '0')
  if now < until_ms then return {'busy', until_ms - now} end
  local fence = redis.call('HINCRBY', key, 'deliveries', 1)
  redis.call('HSET', key, 'taker', ARGV[4], 'held_until', string.format('%.0f', now + ARGV[3]))
  if status == 'queued' then redis.call('HSET', key, 'status', 'running') end
  redis.call('PEXPIRE', key, life)
  return with_fields({'taken', fence})
end
if op == 'decide' then
  local decision, by = ARGV[3], ARGV[4]
  if r[5] == by and r[7] == decision then return {'again'} end
  if status ~= 'waiting' then return {'refused', status} end
  local late = now >= tonumber(r[4]) + tonumber(ARGV[5])
  if late ~= (decision == 'expired') then return {late and 'late' or 'refused', status} end
  redis.call('HSET', key, 'status', 'resuming', 'decision', decision, 'decision_key', by,
    'decided_ms', string.format('%.0f', now), 'decided_on', r[6] or '')
  set(6)
  return {'ok'}
end
if r[2] ~= ARGV[3] or ended[status] then return {'lost'} end
if op == 'hold' then
  redis.call('HSET', key, 'held_until', string.format('%.0f', now + ARGV[4]))
elseif op == 'note' then
  redis.call('HSET', key, 'held_until', string.format('%.0f', now + ARGV[4]))
  set(5)
elseif op == 'wait' then
  if r[5] then return {'decided'} end
  redis.call('HSET', key, 'held_until', '0')
  if status ~= 'waiting' then
    redis.call('HSET', key, 'status', 'waiting', 'waiting_since_ms', string.format('%.0f', now))
  end
  set(4)
elseif op == 'let_go' or op == 'finish' then
  redis.call('HSET', key, 'held_until', '0')
  set(4)
  if op == 'finish' then redis.call('HSET', key, 'ended_ms', string.format('%.0f', now)) end
end
return {'ok'}
