-- Forget the workers of a lane that are gone: nothing is theirs, and they were not heard of for long.
-- KEYS: the lane's stream. ARGV: group, for how long in ms.
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return end
for _, fields in ipairs(consumers) do
  local known = {}
  for place = 1, #fields, 2 do known[fields[place]] = fields[place + 1] end
  if known.pending == 0 and known.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], known.name)
  end
end
