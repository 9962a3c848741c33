-- Reads a value. KEYS[1]: a hash of value and expiry. ARGV: now (milliseconds), 'take' where it is removed by reading.
local kept = redis.call('HMGET', KEYS[1], 'expires_at', 'value')
if not kept[1] then
  return false
end
if ARGV[2] == 'take' then
  redis.call('DEL', KEYS[1])
end
if tonumber(ARGV[1]) >= tonumber(kept[1]) then
  return false
end
return kept[2]
