-- Read an answer; where there is no fresh one, try to become its one producer.
-- KEYS: the answer, its lease; ARGV: owner, worker, longest lease in ms, remaining lifetime above which an answer is
-- fresh in ms, a worker that is known to be dead or '', ms within which this one would bring an answer or -1 (a stream),
-- 1 when it has waited for another one.
-- Answers {'fresh' | 'shared' | 'lead' | 'wait', value or false, remaining lifetime in ms, worker that leads, ms within
-- which that one brings an answer or -1}.
local value = redis.call('GET', KEYS[1])
local left = value and redis.call('PTTL', KEYS[1]) or 0
if value and left > tonumber(ARGV[4]) then return {'fresh', value, left, '', -1} end
local lease = redis.call('HMGET', KEYS[2], 'owner', 'worker', 'within', 'shared')
if lease[4] and ARGV[7] == '1' then return {'shared', lease[4], 0, '', -1} end
if not lease[1] or lease[1] == ARGV[1] or lease[2] == ARGV[5] then
  if lease[4] then redis.call('DEL', KEYS[2]) end
  redis.call('HSET', KEYS[2], 'owner', ARGV[1], 'worker', ARGV[2], 'within', ARGV[6])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  return {'lead', value, left, ARGV[2], -1}
end
redis.call('HSET', KEYS[2], 'waiters', '1')
local within = tonumber(lease[3] or -1)
if within >= 0 then within = math.max(within - (ARGV[3] - redis.call('PTTL', KEYS[2])), 0) end
return {'wait', value, left, lease[2], within}
