-- Ends the lease if the caller has it; the token stays. KEYS: the lease. ARGV: id of the holder.
local id = redis.pcall('HGET', KEYS[1], 'id')
if type(id) == 'table' then
	if not string.find(id.err, 'WRONGTYPE', 1, true) then return id end
	return 0
end
if id ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'until', 0)
return 1
