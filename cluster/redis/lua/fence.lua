-- Ends with 0 unless the node still is of this incarnation and its lease or claim has not
-- run out. Extends a claim, and notes the node's users.
-- KEYS: incarnations, leases or cleaning, users
-- ARGV: node, incarnation, ms to extend by, or 0; users, or ''
local node = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('ZSCORE', KEYS[2], node)
if redis.call('HGET', KEYS[1], node) ~= ARGV[2] or not held or tonumber(held) <= now then return 0 end
if ARGV[3] ~= '0' then redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), node) end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[3], node, ARGV[4]) end
