-- Keep the lease of a producer that still works. KEYS: the lease; ARGV: owner, lease in ms.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
