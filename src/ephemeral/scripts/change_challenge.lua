-- Takes a step with a challenge; the rules are those of Challenge::apply. KEYS[1]: its hash, whose TTL stays.
-- ARGV: now (milliseconds), the step, and for a new code its hash and when the next may be asked for.
-- Answers whether the step was taken and all fields, or nothing where there is no such challenge.
local key, now, step = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local kept = redis.call('HMGET', key, 'gone_at', 'expires_at', 'state', 'attempts_left', 'attempts', 'resend_at')
if not kept[1] or now >= tonumber(kept[1]) then
  return false
end
local left, applied = tonumber(kept[4]), 0
if kept[3] == 'pending' and now < tonumber(kept[2]) then
  if step == 'reserve' and left > 0 then
    redis.call('HSET', key, 'attempts_left', left - 1)
    applied = 1
  elseif step == 'give_back' and left < tonumber(kept[5]) then
    redis.call('HSET', key, 'attempts_left', left + 1)
    applied = 1
  elseif step == 'finish' then
    redis.call('HSET', key, 'state', 'done')
    applied = 1
  elseif step == 'exhaust' then
    redis.call('HSET', key, 'state', 'exhausted')
    applied = 1
  elseif step == 'reissue' and left > 0 and now >= tonumber(kept[6]) then
    redis.call('HSET', key, 'code_hash', ARGV[3], 'resend_at', ARGV[4])
    applied = 1
  end
end
return {applied, redis.call('HGETALL', key)}
