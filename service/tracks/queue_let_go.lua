-- Let another entry of the task have it, unless another worker holds it by now. KEYS: for whom. ARGV: entry, worker.
if redis.call('GET', KEYS[1]) == ARGV[1] .. ' ' .. ARGV[2] then redis.call('DEL', KEYS[1]) end
