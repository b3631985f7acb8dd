-- Takes or keeps the lease. KEYS: the lease. ARGV: id and name of the candidate, its rank, the length of the lease in
-- milliseconds, the highest token the candidate knows of, its fleet (empty = unknown). Returns {1, token}, {0, name of the holder},
-- or {2, name of the holder} when that is of another fleet.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local length = tonumber(ARGV[4])

local lease = redis.pcall('HMGET', KEYS[1], 'id', 'holder', 'token', 'rank', 'until', 'fleet')
if lease.err then
	if not string.find(lease.err, 'WRONGTYPE', 1, true) then return lease end
	redis.call('DEL', KEYS[1])
	lease = {}
end

local token, rank, ends = tonumber(lease[3]) or 0, tonumber(lease[4]) or 0, tonumber(lease[5]) or 0
local mine = lease[1] == ARGV[1]
-- An end too far in the future was not written by a candidate, or the server's clock has gone back since.
local live = ends > now and ends <= now + 2 * length
-- Whose fleet it is stands beside the holder's id: a holder of an older version leaves what was there.
local id, fleet = lease[1] or '', lease[6] or ''
local theirs = string.sub(fleet, 1, #id + 1) == id .. ' ' and string.sub(fleet, #id + 2) or ''
if live and not mine and theirs ~= '' and ARGV[6] ~= '' and theirs ~= ARGV[6] then
	return {2, lease[2] or 'unknown'}
end
if live and not mine and rank >= tonumber(ARGV[3]) then
	return {0, lease[2] or 'unknown'}
end
if not mine then
	-- Not only a counter: the clock makes tokens grow across a flush, and a failover that lost the last one.
	token = math.max(token + 1, now, tonumber(ARGV[5]) + 1)
end
token = string.format('%.0f', token)
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'holder', ARGV[2], 'token', token, 'rank', ARGV[3],
	'until', string.format('%.0f', now + length), 'fleet', ARGV[1] .. ' ' .. ARGV[6])
redis.call('PEXPIRE', KEYS[1], 2592000000) -- 30 days: the token outlives its holder
return {1, token}
