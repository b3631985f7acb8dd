/*
Package snapshot keeps one JSON document, made of independently collected sections, always ready to be served: to any
number of viewers, at once, however slow or dead the sources are, and with its true age.

It is for dashboards and admin panels. Viewers never cause a query: a [Panel] collects all sections every few seconds,
however many viewers there are, and publishes one immutable [Snapshot], encoded and compressed once.

	panel, err := snapshot.Open(ctx, snapshot.Options{
		Sections: []snapshot.Section{
			{Name: "orders", Collect: slowOrdersQuery},
			{Name: "stock", Collect: slowStockQuery},
		},
		File: "/var/lib/shop/panel.json",
	})
	if err != nil {
		return err
	}
	go panel.Run(ctx)
	http.Handle("GET /api/panel", panel.Handler())
	http.Handle("GET /api/panel/stream", panel.Stream())

After a change, [Panel.Nudge] gets the sections concerned onto every screen within milliseconds. With Options.Links, through
Redis (package redislink) or Postgres (package pglink) or both, any number of processes show one document: one of them
collects, and the others take over when it ends, dies, hangs or is cut off. Authorization is the caller's: wrap the handlers.

docs/snapshot.md in the repository explains the rest: the document, its headers and events, what can go wrong and
what happens then, what several processes guarantee.

# Inside

Who calls whom, so that each part can be read alone:

	Panel       makes the parts and passes calls on
	warmer      collects the sections, and gives the cache a draft of the document: calls cache.publish, Current, mayPublish
	cache       holds the document, falls back when it is stale, and stores it in tiers, each behind a guard;
	            calls the warmer's Rebuild and the group's MayPublish and Fenced, see collectBy and join
	handler     answers from cache.Get
	stream      follows the cache's published documents
	lead.Group  decides which process collects; knows cache and warmer by the methods of lead.Cache and lead.Warmer alone

The packages below internal each do one thing: lead elects, layout arranges values, jsonpatch makes merge patches, headers
reads and writes header fields, sse writes events, file keeps the last document, bounded calls what may hang.
*/
package snapshot
