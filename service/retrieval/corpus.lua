-- Replace whole documents of the corpus, or take them out: all at once, under a new version, and tell every worker.
-- Where nothing is found otherwise by it, the version stays and nobody is told.
-- KEYS: state, index (passage -> document, newline, hash), passages, vectors, documents (path -> hash of the file).
-- ARGV: channel, then JSON {documents = {path -> hash, or "" to take it out}, passages = {{id, path, hash, text}, ...},
-- vectors = {ids of the vectors that follow}, sizes = {"size SPACE" -> numbers in a vector of it}, name = of a corpus that
-- has none, fills = whether this is the handbook that a new store gets}, then those vectors.
-- Answers {version, added, changed, removed, unchanged}. A version is the time in ms, or one more than the last: a store
-- that lost what it had counts on from where no worker has been.
local state, index, passages, vectors, documents = unpack(KEYS)
local given = cjson.decode(ARGV[2])
local new, added, changed, removed, unchanged = {}, 0, 0, 0, 0
for _, one in ipairs(given.passages) do new[one[1]] = one end
local flat = redis.call('HGETALL', index)
for i = 1, #flat, 2 do
  local id, path = flat[i], string.match(flat[i + 1], '^(.-)\n')
  if given.documents[path] ~= nil and new[id] == nil then
    redis.call('HDEL', index, id)
    redis.call('HDEL', passages, id)
    redis.call('HDEL', vectors, id)
    removed = removed + 1
  end
end
for id, one in pairs(new) do
  local mark = one[2] .. '\n' .. one[3]
  local known = redis.call('HGET', index, id)
  if known == mark then
    unchanged = unchanged + 1
  else
    if known then changed = changed + 1 else added = added + 1 end
    redis.call('HSET', index, id, mark)
    redis.call('HSET', passages, id, one[4])
    redis.call('HDEL', vectors, id)
  end
end
local news = added + changed + removed
for i, id in ipairs(given.vectors) do
  if redis.call('HEXISTS', index, id) == 1 then
    redis.call('HSET', vectors, id, ARGV[2 + i])
    news = news + 1
  end
end
for path, hash in pairs(given.documents) do
  if hash == '' then redis.call('HDEL', documents, path) else redis.call('HSET', documents, path, hash) end
end
if given.fills then news = news + redis.call('HSETNX', state, 'filled', 1) end
local last = tonumber(redis.call('HGET', state, 'version') or 0)
if news == 0 then return {last, added, changed, removed, unchanged} end
redis.call('HSETNX', state, 'name', given.name)
for field, size in pairs(given.sizes) do redis.call('HSET', state, field, size) end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local version = math.max(last + 1, now_ms)
redis.call('HSET', state, 'version', string.format('%.0f', version), 'passages', redis.call('HLEN', index))
local fields = redis.call('HGETALL', state)
redis.call('PUBLISH', ARGV[1], cjson.encode({key = state, fields = fields}))
return {version, added, changed, removed, unchanged}
