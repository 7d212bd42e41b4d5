-- How much is in a lane. KEYS: its stream, its delayed tasks.
-- Answers {waiting, delayed, running, ms that the oldest one has waited}.
local delayed, groups = redis.call('ZCARD', KEYS[2]), redis.pcall('XINFO', 'GROUPS', KEYS[1])
local running, last = 0, '-'
if not groups.err and groups[1] then
  for place = 1, #groups[1], 2 do
    if groups[1][place] == 'pending' then running = groups[1][place + 1] end
    if groups[1][place] == 'last-delivered-id' then last = '(' .. groups[1][place + 1] end
  end
end
local oldest, clock = redis.call('XRANGE', KEYS[1], last, '+', 'COUNT', 1)[1], redis.call('TIME')
local waited = 0
if oldest then
  waited = math.max(0, clock[1] * 1000 + math.floor(clock[2] / 1000) - tonumber(string.match(oldest[1], '^%d+')))
end
return {redis.call('XLEN', KEYS[1]) - running, delayed, running, waited}
