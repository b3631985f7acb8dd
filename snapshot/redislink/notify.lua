-- Publishes at the node that has the key: there is one in any Cluster, while a node picked at random may be down.
return redis.call('PUBLISH', ARGV[1], ARGV[2])
