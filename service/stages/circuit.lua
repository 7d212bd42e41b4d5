-- One transition of one provider's circuit, for the whole fleet. The model in circuit.py does the same, and a test
-- holds the two together.
-- KEYS[1] the circuit; ARGV: operation, generation, token, number (threshold or milliseconds), cool-down in ms, channel.
-- Answers {allowed, server's time in ms, field, value, ...}.
local key, op = KEYS[1], ARGV[1]
local generation, token = tonumber(ARGV[2]), ARGV[3]
local number, cooldown_ms, channel = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local c = {version = 0, generation = 0, failures = 0, open_until = 0, probe_until = 0, pause_until = 0}
local names = {'state', 'token', 'version', 'generation', 'failures', 'open_until', 'probe_until', 'pause_until'}
local stored = redis.call('HMGET', key, unpack(names))
for i, name in ipairs(names) do
  local value = stored[i]
  if i <= 2 then c[name] = value or '' else c[name] = tonumber(value or 0) end
end
if c.state == '' then c.state = 'closed' end

local allowed, changed = 0, false
local function to(state)
  c.state, c.token, c.probe_until, c.generation, changed = state, '', 0, c.generation + 1, true
end

if op == 'failure' then
  if generation == c.generation and c.state == 'closed' then
    c.failures, changed = c.failures + 1, true
    if c.failures >= number then to('open'); c.open_until = now + cooldown_ms end
  elseif c.state == 'half_open' and token ~= '' and token == c.token then
    to('open'); c.open_until = now + cooldown_ms
  end
elseif op == 'success' then
  if generation == c.generation and c.state == 'closed' and c.failures > 0 then
    c.failures, changed = 0, true
  elseif c.state == 'half_open' and token ~= '' and token == c.token then
    to('closed'); c.failures = 0; c.open_until = 0
  end
elseif op == 'release' then
  if c.state == 'half_open' and token ~= '' and token == c.token then
    c.state, c.token, c.probe_until, changed = 'open', '', 0, true
  end
elseif op == 'claim' then
  local free = c.state == 'open' or (c.state == 'half_open' and now >= c.probe_until)
  if free and now >= c.open_until and now >= c.pause_until then
    c.state, c.token, c.probe_until, changed, allowed = 'half_open', token, now + number, true, 1
  end
elseif op == 'renew' then
  if c.state == 'half_open' and token ~= '' and token == c.token then
    c.probe_until, changed, allowed = now + number, true, 1
  end
elseif op == 'pause' then
  if now + number > c.pause_until then c.pause_until, changed = now + number, true end
elseif op == 'reset' then
  to('closed'); c.failures, c.open_until, c.pause_until = 0, 0, 0
end

if changed then c.version = c.version + 1 end
local fields = {}
for _, name in ipairs(names) do
  fields[#fields + 1] = name
  fields[#fields + 1] = type(c[name]) == 'number' and string.format('%.0f', c[name]) or c[name]
end
if changed then
  redis.call('HSET', key, unpack(fields))
  local published = {unpack(fields)}
  published[#published + 1] = 'now'
  published[#published + 1] = string.format('%.0f', now)
  redis.call('PUBLISH', channel, cjson.encode({key = key, fields = published}))
end
return {allowed, now, unpack(fields)}
