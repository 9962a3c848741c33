-- Keeps the challenges that wait for their code, by the time when they end, and counts them.
-- KEYS[1] the set. ARGV: now in ms; add, remove or count; id; expiry in ms.
local now = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[2] == 'add' and tonumber(ARGV[4]) > now then
  redis.call('ZADD', KEYS[1], ARGV[4], ARGV[3])
elseif ARGV[2] == 'remove' then
  redis.call('ZREM', KEYS[1], ARGV[3])
end
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if newest[2] then
  redis.call('PEXPIRE', KEYS[1], math.max(1, tonumber(newest[2]) - now))
end
return redis.call('ZCARD', KEYS[1])
