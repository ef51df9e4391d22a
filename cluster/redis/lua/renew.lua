-- Renews a lease. Answers {0} when it has run out or is another incarnation's, else
-- {1, now, leases and scores, incarnations, foreign sessions}.
-- KEYS: incarnations, leases; on one server also session -> node
-- ARGV: node, incarnation, lease in ms, prefix of the nodes' session sets
local node = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('ZSCORE', KEYS[2], node)
if redis.call('HGET', KEYS[1], node) ~= ARGV[2] or not lease or tonumber(lease) <= now then return {0} end
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), node)

local leases = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
local nodes, incarnations, chunk = {}, {}, 1000 -- a call takes fewer than 8,000 arguments
for i = 1, #leases, 2 do nodes[#nodes + 1] = leases[i] end
for i = 1, #nodes, chunk do
  for _, inc in ipairs(redis.call('HMGET', KEYS[1], unpack(nodes, i, math.min(i + chunk - 1, #nodes)))) do
    incarnations[#incarnations + 1] = inc
  end
end
local foreign = 0
if KEYS[3] then
  foreign = redis.call('HLEN', KEYS[3])
  for _, id in ipairs(nodes) do foreign = foreign - redis.call('SCARD', ARGV[4] .. id) end
end
return {1, now, leases, incarnations, foreign}
