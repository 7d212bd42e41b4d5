-- Keep a lease while its owner still works. KEYS: the lease; ARGV: owner, lease in ms.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
