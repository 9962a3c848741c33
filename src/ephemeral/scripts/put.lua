-- Keeps a value. KEYS[1]: a hash of value and expiry. ARGV: now, expiry (milliseconds), value.
local ttl = tonumber(ARGV[2]) - tonumber(ARGV[1])
redis.call('DEL', KEYS[1])
if ttl > 0 then
  redis.call('HSET', KEYS[1], 'expires_at', ARGV[2], 'value', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ttl)
end
return 1
