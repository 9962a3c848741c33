-- Pours one drop into a bucket (GCRA). KEYS[1]: the instant at which it will be empty, in microseconds.
-- ARGV: now, interval, window, all in microseconds. Answers 0, or the microseconds to wait.
local now, interval, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local empty_at = tonumber(redis.call('GET', KEYS[1])) or now
local next = math.min(math.max(empty_at, now), now + window) + interval
local excess = next - now - window
if excess > 0 then
  return excess
end
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
return 0
