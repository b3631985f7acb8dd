-- Tells whether another has the lease, or has had it since the caller. KEYS: the lease. ARGV: the caller's id, the token
-- of its last grant (0 = it never had one), the length of a lease in milliseconds.
local lease = redis.pcall('HMGET', KEYS[1], 'id', 'token', 'until')
if lease.err then
	if not string.find(lease.err, 'WRONGTYPE', 1, true) then return lease end
	return 0
end
if lease[1] == ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine, token, ends = tonumber(ARGV[2]), tonumber(lease[2]) or 0, tonumber(lease[3]) or 0
if mine > 0 and token > mine then return 1 end
return ends > now and ends <= now + 2 * tonumber(ARGV[3]) and 1 or 0
