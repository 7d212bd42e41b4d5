-- Put those tasks again that are lost: whose data is not there, or is there and waits in neither stream nor delayed ones.
-- Of the stream a page is looked at; while it goes on behind that, nothing is said of a task whose data is there.
-- KEYS: the lane's stream, its delayed tasks, then the data of each task. ARGV: where in the stream to begin, how many of
-- its entries are a page, then id and data of each task, as for putting. Answers {ids that were put, ids not told of}.
local clock = redis.call('TIME')
local stamp = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local there, put, open = {}, {}, {}
local page = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
for _, entry in ipairs(page) do
  for place = 1, #entry[2], 2 do
    if entry[2][place] == 'task_id' then there[entry[2][place + 1]] = true end
  end
end
local is_end = #page < tonumber(ARGV[2])
for number = 3, #KEYS do
  local id, data = ARGV[2 * number - 3], ARGV[2 * number - 2]
  if not there[id] and not redis.call('ZSCORE', KEYS[2], id) then
    if is_end or redis.call('EXISTS', KEYS[number]) == 0 then
      redis.call('SET', KEYS[number], string.sub(data, 1, -2) .. ',"t":' .. stamp .. '}', 'NX')
      redis.call('XADD', KEYS[1], '*', 'task_id', id, 'enqueue_time', stamp)
      put[#put + 1] = id
    else
      open[#open + 1] = id
    end
  end
end
return {put, open}
