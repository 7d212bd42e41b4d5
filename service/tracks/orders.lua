-- What of one order is spoken for. KEYS: its refunds, a hash run -> amount in minor units.
-- ARGV: operation, run, amount wanted (0: all that is left), what may be refunded at all.
-- 'hold' answers what is held for the run: as wanted, or less, 0 when nothing is left; the same again for the same run.
-- 'release' gives it back.
local key, op, run = KEYS[1], ARGV[1], ARGV[2]
if op == 'release' then return redis.call('HDEL', key, run) end
local held = redis.call('HGET', key, run)
if held then return tonumber(held) end
local wanted, left = tonumber(ARGV[3]), tonumber(ARGV[4])
for _, amount in ipairs(redis.call('HVALS', key)) do left = left - tonumber(amount) end
local amount = (wanted > 0 and wanted < left) and wanted or left
if amount <= 0 then return 0 end
redis.call('HSET', key, run, string.format('%.0f', amount))
return amount
