-- Takes a call out of a bucket (GCRA, on the server's clock, in microseconds).
-- KEYS[1] has when the bucket will be full; ARGV is how many calls it holds, and how long each takes to
-- come back. Returns how many are left, and how long the caller has to wait: 0 when the call is taken.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = tonumber(ARGV[2])
local whole = tonumber(ARGV[1]) * each
local full = tonumber(redis.call('GET', KEYS[1]) or now)
-- no later than when it is empty, should the clock have been set back
full = math.max(now, math.min(full, now + whole)) + each
if full > now + whole then
  return {0, full - now - whole}
end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {math.floor((now + whole - full) / each), 0}
