-- Comes behind fence.lua, in one script: writes a batch of changes of one node, all of it
-- or, when the node is not the one it was, nothing.
-- KEYS: incarnations, leases or cleaning, users, session -> user, session -> node,
-- sessions of the node, heartbeats of the node, online users, then one of each user
-- ARGV: node, incarnation, ms to extend by, or 0; users, or ''; time of the heartbeats,
-- number of sessions that have come, and of those that have gone; then session and user
-- of each that has come, session of each that has gone, and the sessions of each user
local at, come, gone = 7, tonumber(ARGV[6]), tonumber(ARGV[7])
if come > 0 then
  redis.call('HSET', KEYS[4], unpack(ARGV, at + 1, at + 2 * come))
  local ids, nodes, beats = {}, {}, {}
  for i = 1, come do
    local id = ARGV[at + 2 * i - 1]
    ids[i] = id
    nodes[2 * i - 1], nodes[2 * i] = id, node
    beats[2 * i - 1], beats[2 * i] = ARGV[5], id
  end
  redis.call('HSET', KEYS[5], unpack(nodes))
  redis.call('SADD', KEYS[6], unpack(ids))
  redis.call('ZADD', KEYS[7], unpack(beats))
  at = at + 2 * come
end
if gone > 0 then
  redis.call('HDEL', KEYS[4], unpack(ARGV, at + 1, at + gone))
  redis.call('HDEL', KEYS[5], unpack(ARGV, at + 1, at + gone))
  redis.call('SREM', KEYS[6], unpack(ARGV, at + 1, at + gone))
  redis.call('ZREM', KEYS[7], unpack(ARGV, at + 1, at + gone))
  at = at + gone
end

local online, offline = {}, {}
for i = 9, #KEYS do
  local key, count = KEYS[i], ARGV[at + i - 8]
  local user = string.sub(key, 15) -- behind carillon:user:
  if count ~= '0' then
    redis.call('HSET', key, node, ARGV[2] .. ':' .. count)
    online[#online + 1] = user
  else
    redis.call('HDEL', key, node)
    if redis.call('EXISTS', key) == 0 then offline[#offline + 1] = user end
  end
end
if #online > 0 then redis.call('SADD', KEYS[8], unpack(online)) end
if #offline > 0 then redis.call('SREM', KEYS[8], unpack(offline)) end
return 1
