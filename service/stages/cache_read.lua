-- Read an answer; where there is no fresh one, try to become its one producer.
-- KEYS: the answer, its lease; ARGV: owner, lease in ms, remaining lifetime above which an answer is fresh, in ms.
-- Answers {'fresh' | 'lead' | 'wait', value or false, remaining lifetime in ms}.
local value = redis.call('GET', KEYS[1])
local left = value and redis.call('PTTL', KEYS[1]) or 0
if value and left > tonumber(ARGV[3]) then return {'fresh', value, left} end
if redis.call('HSETNX', KEYS[2], 'owner', ARGV[1]) == 1 then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  return {'lead', value, left}
end
if redis.call('HGET', KEYS[2], 'owner') == ARGV[1] then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  return {'lead', value, left}
end
redis.call('HSET', KEYS[2], 'waiters', '1')
return {'wait', value, left}
