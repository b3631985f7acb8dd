/*
Package redislink connects the processes that show one document through Redis or Valkey: it is a link.Link.

[Open] never waits for the server. A process that starts while Redis is down works and joins when it is up; while Redis
hangs, no call takes longer than a second, and after two of them they fail at once until it answers again.

# URLs

[Open] takes a URL of one of these forms:

	redis://[user:password@]host:port/db           also valkey://
	rediss://[user:password@]host:port/db          with TLS; also valkeys://
	redis-sentinel://[user:password@]host:port,host:port/db?master=NAME
	redis-cluster://[user:password@]host:port,host:port
	redis+unix://[user:password@]/path/to/socket?db=0

rediss-sentinel:// and rediss-cluster:// are the same with TLS. The port is 6379 unless given, of a sentinel 26379. A
password alone is written as :password@. Parameters:

	master                          name of the primary, as in the sentinels' "sentinel monitor NAME"
	sentinel-user sentinel-password what the sentinels themselves ask for, if they do
	ca                              file of the authorities that may vouch for the server (PEM); else those of the system
	cert key                        files of the certificate that the server asks for (PEM)
	server-name                     name the server's certificate must carry; else the host
	insecure-skip-verify=true       trust any certificate

The error lists everything that is wrong, each with what to write instead, and never repeats a password.

# What is in Redis

With the usual Options.Key, snapshot:

	snapshot             the document, plain JSON, for 15 s:  redis-cli GET snapshot
	snapshot:last-good   the same, for 30 days
	snapshot:lease       hash: id, holder, token, rank, until (ms since 1970), fleet (after the id of its holder)
	snapshot:revisions   channel: revision of a document that was just stored, in decimal
	snapshot:nudges      channel: names of sections to look at, separated by commas; empty = all

Anybody may read and subscribe. Whatever else is found under the keys is overwritten.

Two fleets must not share the keys: Options.Key gives each its own. One that finds another's lease, or a document that
another stored less than Options.TTL ago, leaves everything as it is, shows nothing of it, and says so (link.ErrForeign). That is
known by Options.Fleet, which stands in the lease and in the document; processes of versions before that name no fleet, and
are taken for one's own.

# Who collects

The lease is judged by the server's clock. Its token grows with each change of the holder, across a flush of the keyspace
too, since it is never less than the time in milliseconds.

A process that has lost the lease without noticing cannot bring back old data: Store compares the revision with that of
the stored document, within Redis and from its JSON, so that nothing beside the document can get out of step with it.
Each script touches one key, so that all this holds in a Redis Cluster too.

Redis replicates after it has answered: a failover by Sentinel or in a Cluster can lose the last document and the last
grant, and a primary that does not know of its successor yet can grant the lease too. For that long, a lease at most, two
processes may collect. What they store still never goes back, and tokens still grow.

Redis 6 or Valkey 7 is needed.
*/
package redislink
