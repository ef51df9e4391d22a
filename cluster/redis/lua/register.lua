-- Registers a node under a new incarnation. Answers {1, incarnation, now, had no lease},
-- {2} while another node cleans up under the id, {3, when its lease runs
-- out} when another process holds it.
-- KEYS: incarnations, leases, nodes, cleaning
-- ARGV: node, token, lease in ms, JSON, least incarnation
local node, token = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local lease = redis.call('ZSCORE', KEYS[2], node)
local json = redis.call('HGET', KEYS[3], node)
local fresh = 1
if lease and tonumber(lease) > now then
  fresh = 0
  if json and cjson.decode(json).token ~= token then return {3, lease} end
end
local cleaning = redis.call('ZSCORE', KEYS[4], node)
if cleaning then
  if tonumber(cleaning) > now then return {2} end
  redis.call('ZREM', KEYS[4], node)
end

local last = tonumber(redis.call('HGET', KEYS[1], node) or 0)
local inc = string.format('%.0f', math.max(last + 1, now, tonumber(ARGV[5])))
redis.call('HSET', KEYS[1], node, inc)
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), node)
redis.call('HSET', KEYS[3], node, '{"incarnation":' .. inc .. ',' .. string.sub(ARGV[4], 2))
return {1, inc, now, fresh}
