-- The producer is done: store what may be stored, hand on what may only be shared, give the lease back, wake who waits.
-- KEYS: the answer, its lease.
-- ARGV: owner, value or '', lifetime in ms, channel, name of the key for the channel, answer for those who wait or '',
-- how long it is there for them in ms.
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
local lease = redis.call('HMGET', KEYS[2], 'owner', 'waiters')
if lease[1] ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if not lease[2] then return 1 end
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[2], 'shared', ARGV[6])
  redis.call('PEXPIRE', KEYS[2], ARGV[7])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
