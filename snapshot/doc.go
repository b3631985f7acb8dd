/*
Package snapshot keeps one JSON document, made of independently collected sections, always ready to be served: to any
number of viewers, at once, however slow or dead the sources are, and with the truth about how old it is.

It is for dashboards and admin panels. Viewers never cause a query: a [Warmer] collects all sections every few seconds,
whoever looks, and publishes one immutable [Snapshot], encoded and compressed once. A [Cache] holds it, a [Handler]
answers GET with it, a [Stream] sends it and then only what changes, and a [Tier] keeps it beyond the process's life.

# In twenty lines

	cache := snapshot.NewCache(snapshot.CacheOptions{
		Tiers: []snapshot.Tier{snapshot.NewFileTier("/var/lib/shop/panel.json")},
	})
	warmer, err := snapshot.NewWarmer(cache, []snapshot.Section{
		{Name: "orders", Source: snapshot.SourceFunc(slowOrdersQuery)},
		{Name: "stock", Source: snapshot.SourceFunc(slowStockQuery)},
	}, snapshot.WarmerOptions{})
	if err != nil {
		return err
	}
	if err := cache.Restore(ctx); err != nil { // shows the last document of the process before, until there is a new one
		return err
	}
	go warmer.Run(ctx)
	http.Handle("GET /api/panel", snapshot.NewHandler(cache, snapshot.HandlerOptions{Name: "shop"}))
	http.Handle("GET /api/panel/stream", snapshot.NewStream(cache, snapshot.StreamOptions{}))

Authorization is the caller's: wrap the handlers.

# The document

A section's value stands at its path; beside the sections there are a timestamp and meta:

	{
	  "orders": {...},                               // an object, or null as long as it never could be collected
	  "stock": {...},
	  "timestamp": "2026-01-02T15:04:05.678Z",       // when this document was published
	  "meta": {
	    "version": 4,
	    "revision": 1767366245678,                   // grows always, across restarts too
	    "as_of": "2026-01-02T15:04:05.678Z",         // of the oldest overdue section, else the timestamp
	    "stale": false,                              // some section is overdue
	    "interval_ms": 5000, "fresh_ms": 15000,      // without a newer document after fresh_ms, say "stale"
	    "sections": {
	      "orders": {
	        "as_of": "2026-01-02T15:04:05.302Z",     // when its value was collected; null = never
	        "took_ms": 301.2, "every_ms": 5000,      // what the last attempt took; its present pace
	        "error": null,                           // why the last attempt failed: the value is the last good one
	        "overdue": false                         // older than its pace, its deadline and one interval together
	      }, ...

Write lists of things as objects keyed by id, with a field to order them by: then a change of one thing is a small patch.
A document has at most [MaxDocumentBytes] and a section [DefaultSectionBytes]: bound your lists and texts.

# What can go wrong, and what happens then

  - A source fails, panics, returns garbage or too much, or does not answer by its deadline: its last good value stays,
    with its age and the error in meta.sections. The others are not delayed: a document is published when all are in, or
    after half a second with what is there, and again when the late ones come.
  - A source is costly: it is collected less often, so that all together take at most a tenth of one database
    connection's time ([WarmerOptions].Budget), and every_ms says so. Cheap ones are not slowed.
  - All sources fail: the last document is published on, its as_of telling its age and stale set.
  - Nothing is published any more, or nothing has been yet: the ladder of [Cache.Get] finds the best there is.
  - A tier hangs, fails or holds garbage: it is abandoned at its deadline, counted, logged once, and overwritten.
  - A viewer does not read: it is skipped ahead to the latest document, and after ten seconds dropped.

# Several processes

Any number of processes on any number of machines show one document when a [Link] connects them, through Redis or
through Postgres or through both: a [Group] has one of them collect for all, whose revisions the others show within
milliseconds. It takes the place of Warmer.Run:

	redis, err := redistier.Open(ctx, "redis://cache:6379", redistier.Options{Holder: host})
	if err != nil {
		return err
	}
	defer redis.Close()
	cache := snapshot.NewCache(snapshot.CacheOptions{
		Tiers: []snapshot.Tier{redis, snapshot.NewFileTier("/var/lib/shop/panel.json")},
	})
	warmer, err := snapshot.NewWarmer(cache, sections, snapshot.WarmerOptions{Name: host})
	if err != nil {
		return err
	}
	group, err := snapshot.NewGroup(cache, warmer, snapshot.GroupOptions{Links: []snapshot.Link{redis}})
	if err != nil {
		return err
	}
	if err := cache.Restore(ctx); err != nil {
		return err
	}
	go group.Run(ctx)

Call [Group.Nudge] then, in whichever process: it reaches the one that collects. A process that shows nothing, and only
changes things, has a [Teller].

  - The leader ends: another one collects within a second. It dies, hangs or is cut off: within five.
  - A link fails: the others do. All fail: each process collects for itself within about four seconds, and joins when one
    works again.
  - The leader's sources fail and those of others do not: another one leads.
  - A process was stopped, or suspended with its host: its viewers wait for it to look around, for half a second at most.
  - Whatever happens, the revisions that a process shows only grow. Two processes may both collect for all for less than
    a second, when one takes over from another that lives.

The clocks of the hosts must agree within FreshFor less two intervals, which are 5 s unless you change them. A document
from a clock that is further behind is stale as soon as it arrives, one from a clock that is a minute ahead is refused.

# Changes

[Warmer.Nudge] tells of a change: the sections touched are collected and on every screen a few milliseconds later, at most
four times a second. The stream sends JSON merge patches (RFC 7396). These cannot set a null: a member that becomes null
is absent from the patched document, and whoever reads one must take an absent member for null. [Apply] patches a
document, [Diff] makes a patch.

# Testing

Package snapshottest has sources, tiers and links that break on demand, and the conformance suites that every Tier and
every Link must pass.
*/
package snapshot
