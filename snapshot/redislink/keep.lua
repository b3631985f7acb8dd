-- Stores a document unless a newer one is there. KEYS: where. ARGV: its revision, the document, its time to live in
-- milliseconds, the size of the largest document, the channel on which to announce it (empty = none), the fleet (empty = unknown),
-- how long another fleet's document keeps this one out, the document's version. Returns 1, 0 when a newer one is there, or -1 when another fleet's is. What is not a document of ours is overwritten, of whatever type it is.
local size = redis.pcall('STRLEN', KEYS[1])
if type(size) == 'table' then
	if not string.find(size.err, 'WRONGTYPE', 1, true) then return size end
elseif size > 0 and size <= tonumber(ARGV[4]) then
	local whole, old = pcall(cjson.decode, redis.call('GET', KEYS[1]))
	local meta = whole and type(old) == 'table' and old.meta
	if type(meta) == 'table' and meta.version == tonumber(ARGV[8]) and type(meta.revision) == 'number' then
		if ARGV[6] ~= '' and type(meta.fleet) == 'string' and meta.fleet ~= '' and meta.fleet ~= ARGV[6] then
			local left = redis.pcall('PTTL', KEYS[1])
			if type(left) ~= 'number' or left >= 0 and left > tonumber(ARGV[3]) - tonumber(ARGV[7]) then return -1 end
			meta.revision = 0
		end
		-- Revisions are times: one from the future is garbage, which must not stay until its time has come.
		local latest = (redis.call('TIME')[1] + 60) * 1000
		if meta.revision > tonumber(ARGV[1]) and meta.revision <= latest then return 0 end
	end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[1]) end
return 1
