-- GCRA, the leaky bucket as one number: the theoretical arrival time of the next request, in microseconds.
-- KEYS[1] bucket; ARGV[1] microseconds between two requests; ARGV[2] burst (requests at once); ARGV[3] cost.
-- Answers {1 or 0 allowed, requests left, microseconds until one more is allowed, microseconds until full}.
local now = redis.call('TIME')
now = tonumber(now[1]) * 1000000 + tonumber(now[2])
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tolerance = interval * burst
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
if tat < now then tat = now end
local after = tat + interval * cost
local wait = after - tolerance - now
if wait > 0 then
  return {0, math.max(0, math.floor((tolerance - (tat - now)) / interval)), wait, tat - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1000)
return {1, math.floor((tolerance - (after - now)) / interval), 0, after - now}
