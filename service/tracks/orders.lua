-- What of one order is spoken for. KEYS: its refunds, a hash: run -> minor units held for it, paid:RUN -> what it was paid.
-- ARGV: operation, run, amount, what may be refunded at all, what all runs may come to where this one holds nothing yet.
-- 'hold' (amount wanted, 0: all that is left) answers {what is held for the run, what other runs hold or were paid}: as
-- wanted, or less, 0 when nothing is left or it would be too much; the same again for the same run, until it is paid.
-- 'settle' (amount paid): it is spoken for, for good, and no more held. 'release' gives what is held back.
local key, op, run = KEYS[1], ARGV[1], ARGV[2]
local paid = 'paid:' .. run
local held = redis.call('HGET', key, run)
if op == 'release' then return redis.call('HDEL', key, run) end
if op == 'settle' then
  if held or redis.call('HEXISTS', key, paid) == 0 then redis.call('HINCRBY', key, paid, ARGV[3]) end
  return redis.call('HDEL', key, run)
end
local others, all = 0, redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if all[i] ~= run then others = others + tonumber(all[i + 1]) end
end
if held then return {tonumber(held), others} end
local wanted, left = tonumber(ARGV[3]), tonumber(ARGV[4]) - others
local amount = (wanted > 0 and wanted < left) and wanted or left
if amount <= 0 or others + amount > tonumber(ARGV[5]) then return {0, others} end
redis.call('HSET', key, run, string.format('%.0f', amount))
return {amount, others}
