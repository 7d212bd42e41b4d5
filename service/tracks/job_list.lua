-- Put a job on a list, newest first, and among those that have not ended.
-- KEYS: the list, the unfinished ones (one hash slot). ARGV: name, now in us, what is older goes in us, most unfinished,
-- how long a list lives after the last one was put there, in ms.
-- Answers 1, or 0 when there are too many unfinished ones. No two have the same score, so that a page ends between two.
local name, score = ARGV[1], tonumber(ARGV[2])
if redis.call('ZSCORE', KEYS[1], name) then return 1 end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
while redis.call('ZCOUNT', KEYS[1], string.format('%.0f', score), string.format('%.0f', score)) > 0 do score = score + 1 end
redis.call('ZADD', KEYS[1], string.format('%.0f', score), name)
redis.call('ZADD', KEYS[2], string.format('%.0f', score), name)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
