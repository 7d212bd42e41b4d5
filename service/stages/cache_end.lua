-- The producer is done: store what may be stored, wake the workers that wait, give the lease back.
-- KEYS: the answer, its lease; ARGV: owner, value or '', lifetime in ms, channel, message or ''.
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
local lease = redis.call('HMGET', KEYS[2], 'owner', 'waiters')
if lease[1] ~= ARGV[1] then return 0 end
if lease[2] then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
redis.call('DEL', KEYS[2])
return 1
