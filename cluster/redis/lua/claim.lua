-- Claims the clean-up of a node whose lease has run out. Answers the incarnation to
-- clean up under, or 0 when there is nothing to do or another node does it.
-- KEYS: incarnations, leases, cleaning
-- ARGV: node, claim in ms
local node = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('ZSCORE', KEYS[2], node)
if not lease or tonumber(lease) > now then return '0' end
local cleaning = redis.call('ZSCORE', KEYS[3], node)
if cleaning and tonumber(cleaning) > now then return '0' end

local last = tonumber(redis.call('HGET', KEYS[1], node) or 0)
local inc = string.format('%.0f', math.max(last + 1, now))
redis.call('HSET', KEYS[1], node, inc)
redis.call('ZADD', KEYS[3], string.format('%.0f', now + ARGV[2]), node)
return inc
