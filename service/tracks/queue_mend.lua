-- Put those tasks again that are lost: whose data is not there, or is there and waits in neither stream nor delayed ones.
-- KEYS: the lane's stream, its delayed tasks, then the data of each task. ARGV: id and data of each task, as for putting.
-- Answers the ids that were put.
local clock = redis.call('TIME')
local stamp = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local there, put = {}, {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  for place = 1, #entry[2], 2 do
    if entry[2][place] == 'task_id' then there[entry[2][place + 1]] = true end
  end
end
for number = 3, #KEYS do
  local id, data = ARGV[2 * number - 5], ARGV[2 * number - 4]
  if not there[id] and not redis.call('ZSCORE', KEYS[2], id) then
    redis.call('SET', KEYS[number], string.sub(data, 1, -2) .. ',"t":' .. stamp .. '}', 'NX')
    redis.call('XADD', KEYS[1], '*', 'task_id', id, 'enqueue_time', stamp)
    put[#put + 1] = id
  end
end
return put
