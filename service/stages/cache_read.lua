-- Read an answer; where there is no fresh one, try to become its one producer.
-- KEYS: the answer, its lease; ARGV: owner, worker, longest lease in ms, remaining lifetime above which an answer is
-- fresh in ms, a worker that is known to be dead or ''.
-- Answers {'fresh' | 'lead' | 'wait', value or false, remaining lifetime in ms, worker that leads}.
local value = redis.call('GET', KEYS[1])
local left = value and redis.call('PTTL', KEYS[1]) or 0
if value and left > tonumber(ARGV[4]) then return {'fresh', value, left, ''} end
local lease = redis.call('HMGET', KEYS[2], 'owner', 'worker')
if not lease[1] or lease[1] == ARGV[1] or lease[2] == ARGV[5] then
  redis.call('HSET', KEYS[2], 'owner', ARGV[1], 'worker', ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  return {'lead', value, left, ARGV[2]}
end
redis.call('HSET', KEYS[2], 'waiters', '1')
return {'wait', value, left, lease[2]}
