-- End a turn: append what was said, if the thread is as long as it was when the turn began; give the lease back.
-- KEYS: thread, lease, index of the user's threads (one hash slot).
-- ARGV: owner, expected length, lifetime in ms, thread id, then the turns (none: the turn is not stored).
-- Answers the new length, or -1 when somebody else wrote in between.
local answer = redis.call('LLEN', KEYS[1])
if #ARGV > 4 then
  if answer ~= tonumber(ARGV[2]) then
    answer = -1
  else
    answer = redis.call('RPUSH', KEYS[1], unpack(ARGV, 5))
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    local now = redis.call('TIME')[1]
    redis.call('ZADD', KEYS[3], now, ARGV[4])
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. string.format('%.0f', now - ARGV[3] / 1000))
    redis.call('PEXPIRE', KEYS[3], ARGV[3])
  end
end
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return answer
