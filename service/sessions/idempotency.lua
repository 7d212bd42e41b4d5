-- One idempotent request. KEYS: its record.
-- ARGV: operation, owner, fingerprint, lease in ms, lifetime in ms, status, body.
-- 'begin' answers {'new' | 'busy' | 'other_body' | 'replay', status, body, owner's lease left in ms};
-- 'finish', 'free' and 'renew' answer {'ok'} or, to one who lost the claim, {'lost'}.
local key, op, owner = KEYS[1], ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local r = redis.call('HMGET', key, 'state', 'owner', 'fingerprint', 'until', 'status', 'body')

local function claim()
  redis.call('HSET', key, 'state', 'busy', 'owner', owner, 'fingerprint', ARGV[3],
    'until', string.format('%.0f', now + ARGV[4]))
  redis.call('PEXPIRE', key, ARGV[5])
  return {'new', '', '', 0}
end

if op == 'begin' then
  if not r[1] then return claim() end
  if r[3] ~= ARGV[3] then return {'other_body', '', '', 0} end
  if r[1] == 'done' then return {'replay', r[5], r[6], 0} end
  if r[1] == 'busy' and now < tonumber(r[4]) then return {'busy', '', '', tonumber(r[4]) - now} end
  return claim()
end
if r[1] ~= 'busy' or r[2] ~= owner then return {'lost'} end
if op == 'renew' then
  redis.call('HSET', key, 'until', string.format('%.0f', now + ARGV[4]))
elseif op == 'free' then
  redis.call('HSET', key, 'state', 'free')
elseif op == 'finish' then
  redis.call('HSET', key, 'state', 'done', 'status', ARGV[6], 'body', ARGV[7])
  redis.call('PEXPIRE', key, ARGV[5])
end
return {'ok'}
