-- Drop an entry whose task had been done already; a task of the same id that was put since stays as it is.
-- KEYS: the lane's stream, the task's data, its tries, ids to be ended, ids that run. ARGV: group, task's id, and the entry
-- unless it is another worker's, or gone.
if ARGV[3] then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[3])
  redis.call('SREM', KEYS[4], ARGV[2])
  redis.call('SREM', KEYS[5], ARGV[2])
end
