-- Removes what is left of a node: its entries here. Answers 0 when the node is
-- another incarnation's by now.
-- KEYS: incarnations, leases, nodes, cleaning, users
-- ARGV: node, incarnation
local node = ARGV[1]
if redis.call('HGET', KEYS[1], node) ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], node)
redis.call('HDEL', KEYS[3], node)
redis.call('ZREM', KEYS[4], node)
redis.call('HDEL', KEYS[5], node)
redis.call('HDEL', KEYS[1], node)
return 1
