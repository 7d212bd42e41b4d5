-- What of one order is spoken for. KEYS: its refunds, a hash: key -> minor units held under it, paid:KEY -> what was paid.
-- ARGV: operation, key, amount, what may be refunded at all, what all may come to where nothing is held under this one yet.
-- 'hold' (amount wanted, 0: all that is left) answers {what is held under the key, what others hold or were paid, what of
-- that they were paid}: held as wanted, or less, 0 when nothing is left or it would be too much; the same again for the
-- same key, until it is paid, and 0 from then on.
-- 'settle' (amount paid): it is spoken for, for good, and no more held. 'release' gives what is held back. Both may be
-- repeated.
local refunds, op, key = KEYS[1], ARGV[1], ARGV[2]
local PAID = 'paid:'
if op == 'settle' then redis.call('HSET', refunds, PAID .. key, ARGV[3]) end
if op ~= 'hold' then return redis.call('HDEL', refunds, key) end
local mine, others, paid, all = {}, 0, 0, redis.call('HGETALL', refunds)
for i = 1, #all, 2 do
  local name, amount = all[i], tonumber(all[i + 1])
  if name == key or name == PAID .. key then
    mine[name] = amount
  else
    others = others + amount
    if string.sub(name, 1, #PAID) == PAID then paid = paid + amount end
  end
end
if mine[PAID .. key] then return {0, others, paid} end
if mine[key] then return {mine[key], others, paid} end
local wanted, left = tonumber(ARGV[3]), tonumber(ARGV[4]) - others
local amount = (wanted > 0 and wanted < left) and wanted or left
if amount <= 0 or others + amount > tonumber(ARGV[5]) then return {0, others, paid} end
redis.call('HSET', refunds, key, string.format('%.0f', amount))
return {amount, others, paid}
