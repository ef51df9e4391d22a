-- Answers how many sessions belong to no carillon node, 0 when all do.
-- KEYS: leases, session -> node
-- ARGV: prefix of the nodes' session sets
local foreign = redis.call('HLEN', KEYS[2])
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do foreign = foreign - redis.call('SCARD', ARGV[1] .. id) end
return foreign
