-- Take tasks: first those whose worker was not heard of for too long, wherever they stand among those that run (XAUTOCLAIM
-- looks at the first few only), then new ones. KEYS: the lane's stream. ARGV: group, who takes, how many, too long in ms.
-- Answers the entries as XREADGROUP does.
local stream, group, consumer, count, idle = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local ids = {}
for _, entry in ipairs(redis.call('XPENDING', stream, group, 'IDLE', idle, '-', '+', count)) do ids[#ids + 1] = entry[1] end
local taken = #ids > 0 and redis.call('XCLAIM', stream, group, consumer, idle, unpack(ids)) or {}
if #taken < count then
  local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count - #taken, 'STREAMS', stream, '>')
  for _, entry in ipairs(read and read[1][2] or {}) do taken[#taken + 1] = entry end
end
return taken
