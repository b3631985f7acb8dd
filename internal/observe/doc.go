// Package observe shows another program's job engine, whichever it is, through its engine.
//
// A snapshot of the engine answers all who ask within one interval: it is taken by one goroutine, off the path of requests, within a
// budget. What ended is followed by the process that leads, into the sums of a database of our own: a batch, its gaps and the cursor
// after it are one transaction, so that nothing is counted twice, wherever a kill falls or whoever else follows.
//
// What the engine does not record is null, with a reason in its capabilities.
package observe
