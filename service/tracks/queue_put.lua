-- Put a task as streaq does (its function publish_task), once for as long as one with the same id is there.
-- KEYS: the task's data, the lane's stream, its delayed tasks. ARGV: id, data as JSON without the time, delay in ms.
-- Answers 1, or 0 when the task is there already.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local stamp = string.format('%.0f', now)
local data = string.sub(ARGV[2], 1, -2) .. ',"t":' .. stamp .. '}'
if not redis.call('SET', KEYS[1], data, 'NX') then return 0 end
if tonumber(ARGV[3]) > 0 then
  redis.call('ZADD', KEYS[3], string.format('%.0f', now + ARGV[3]), ARGV[1])
else
  redis.call('XADD', KEYS[2], '*', 'task_id', ARGV[1], 'enqueue_time', stamp)
end
return 1
