-- Writes how many sessions of a user a node has. Answers 1 when any node holds the user,
-- 0 when none does, 2 when a later incarnation of the node has written before.
-- KEYS: the user's
-- ARGV: node, incarnation, sessions
local node = ARGV[1]
local held = redis.call('HGET', KEYS[1], node)
if held and tonumber(string.match(held, '^%d+')) > tonumber(ARGV[2]) then return 2 end
if ARGV[3] ~= '0' then
  redis.call('HSET', KEYS[1], node, ARGV[2] .. ':' .. ARGV[3])
  return 1
end
redis.call('HDEL', KEYS[1], node)
return redis.call('EXISTS', KEYS[1])
