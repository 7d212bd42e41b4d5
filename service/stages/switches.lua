-- Switch stages for the fleet: all at once, under a new version, and tell every worker.
-- KEYS[1] the switches; ARGV: channel, then stage, 'on' or 'off', ... Answers the version.
local key, channel = KEYS[1], ARGV[1]
local version = redis.call('HINCRBY', key, 'version', 1)
if #ARGV > 1 then redis.call('HSET', key, unpack(ARGV, 2)) end
local fields = redis.call('HGETALL', key)
redis.call('PUBLISH', channel, cjson.encode({key = key, fields = fields}))
return version
