-- Keeps a new challenge. KEYS[1]: its hash. ARGV: now, when it is gone (milliseconds), then names and values of its fields.
local ttl = tonumber(ARGV[2]) - tonumber(ARGV[1])
redis.call('DEL', KEYS[1])
if ttl > 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 3))
  redis.call('PEXPIRE', KEYS[1], ttl)
end
return 1
