-- Keep an entry for the worker that has it, and its task for this entry: another entry of the same task waits.
-- KEYS: the lane's stream, ids that run, for whom the task is held, ids to be ended.
-- ARGV: group, worker, entry, task's id, for how long in ms.
-- Answers 0 when the entry is another worker's, or the task another entry's; 1; 2 when the task is to be ended.
local entry = ARGV[3]
if #redis.call('XPENDING', KEYS[1], ARGV[1], entry, entry, 1, ARGV[2]) == 0 then return 0 end
local held_for = redis.call('GET', KEYS[3])
if held_for and string.sub(held_for, 1, #entry + 1) ~= entry .. ' ' then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry, 'JUSTID')
redis.call('SADD', KEYS[2], ARGV[4])
redis.call('SET', KEYS[3], entry .. ' ' .. ARGV[2], 'PX', ARGV[5])
return 1 + redis.call('SISMEMBER', KEYS[4], ARGV[4])
