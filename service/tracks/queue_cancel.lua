-- End a task. One that is delayed is gone at once; any other is marked, and whoever takes it or has it ends it.
-- KEYS: its data, its tries, the lane's delayed tasks, its ids to be ended. ARGV: id.
if redis.call('ZREM', KEYS[3], ARGV[1]) == 1 then
  redis.call('SREM', KEYS[4], ARGV[1]) -- marked while it ran, and then it asked for more time
  return redis.call('DEL', KEYS[1], KEYS[2])
end
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('SADD', KEYS[4], ARGV[1]) end
return 0
