-- Begin a turn: preferences, the thread's turns, and the thread's lease, in one round trip.
-- KEYS: preferences, thread, lease (one hash slot); ARGV: owner or '' (a new thread needs no lease), lease in ms.
-- Answers {1 | 0 (somebody else's turn), preferences as a flat list, turns}.
local preferences = redis.call('HGETALL', KEYS[1])
if ARGV[1] == '' then return {1, preferences, {}} end
if not redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return {0, preferences, {}}
end
return {1, preferences, redis.call('LRANGE', KEYS[2], 0, -1)}
