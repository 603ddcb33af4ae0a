-- Adds what one process saw and returns what all have seen in the last hour, in one round trip.
-- KEYS[1]: place. ARGV: JSON of {provider: {field: number}}, JSON list of providers.
-- A provider is a hash of `<minute>:<field>`; minutes are Valkey's own, so that all clocks agree.
local place = KEYS[1]
local added = cjson.decode(ARGV[1])
local providers = cjson.decode(ARGV[2])
local minute = math.floor(tonumber(redis.call('TIME')[1]) / 60)
local answer = {}
for _, provider in ipairs(providers) do
  local key = place .. ':' .. provider
  if added[provider] then
    for field, number in pairs(added[provider]) do
      redis.call('HINCRBY', key, minute .. ':' .. field, number)
    end
    redis.call('EXPIRE', key, 7200)
  end
  local hour, lately, now, old = {}, {}, 0, {}
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local at, field = string.match(flat[i], '^(%d+):(%a+)$')
    local age, number = minute - tonumber(at), tonumber(flat[i + 1])
    if age >= 60 then
      old[#old + 1] = flat[i]
    else
      hour[field] = (hour[field] or 0) + number
      if age < 5 then lately[field] = (lately[field] or 0) + number end
      if age < 2 and field == 'calls' then now = math.max(now, number) end
    end
  end
  if #old > 0 then redis.call('HDEL', key, unpack(old)) end
  local probe = redis.call('GET', key .. ':probe')
  answer[provider] = {
    hour = hour, asked = lately['asked'] or 0, silent = lately['silent'] or 0, calls = now,
    down = probe == 'down'
  }
end
local generation = redis.call('GET', place .. ':policies') or '0'
return cjson.encode({generation = generation, seen = answer})
