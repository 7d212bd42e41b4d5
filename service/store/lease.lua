-- Put KEYS[1] from one owner to another: ARGV[1] is who is believed to have it ("" for nobody), ARGV[2] who gets it
-- ("" to give it back), ARGV[3] for how many ms. Answers 1, or 0 where somebody else has it.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
