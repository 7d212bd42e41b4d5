-- Begin a turn: preferences, the thread's newest turns and length, and the thread's lease, in one round trip.
-- KEYS: preferences, thread, lease (one hash slot); ARGV: owner or '' (a new thread needs no lease), lease in ms, bytes
-- of turns after which no older ones are read.
-- Answers {1 | 0 (somebody else's turn), preferences as a flat list, turns oldest first, length of the thread}.
local preferences = redis.call('HGETALL', KEYS[1])
if ARGV[1] == '' then return {1, preferences, {}, 0} end
if not redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return {0, preferences, {}, 0}
end
local length, bytes, newest = redis.call('LLEN', KEYS[2]), 0, {}
for index = 1, length do
  local turn = redis.call('LINDEX', KEYS[2], -index)
  bytes = bytes + #turn
  newest[index] = turn
  if bytes > tonumber(ARGV[3]) then break end
end
local turns = {}
for index = #newest, 1, -1 do turns[#turns + 1] = newest[index] end
return {1, preferences, turns, length}
