// Package engine is the one model of jobs that AgentOS has for every job engine: its own fleet on River, another program's River
// database, a Redis full of tasks. It has the types of what is shown, whatever engine it comes from, and the interface by which an
// engine reports it; package engine asks nobody itself.
//
// # Writing an adapter
//
// An adapter is a package below this one with a type that implements [Engine]. It reads the engine's own tables or keys without
// the engine's library, and never writes, locks or scans what grows with the number of jobs. To write one:
//
//   - Make ids opaque: [ID] is whatever finds the job again in one read, such as "queue/id" where ids are unique within a queue only.
//   - Map each state to one of ours, and keep the engine's own word in [Job.EngineState] where it is another one: people search their
//     docs for it.
//   - Leave nil what the engine does not record: times are what it keeps, even where that is no time ([Time]).
//   - Say what is known of each figure. A [Count] that nobody recorded has no value and says why; it is never 0.
//   - List every [Capability] in [Info.Caps], with a sentence that a person can act on where the answer is not yes.
//   - Keep [Engine.Snapshot] within O(queues + workers) and within its [Budget]; what did not fit is counted, or older and says so.
//   - Report what was missed: a [Gap] in what was followed is better than a figure that is silently too low.
//   - Skip what cannot be read and say so in [Snapshot.Problems]: one bad row never stops the others.
//   - Show no secret: arguments, errors and results go through package redact.
//
// Then run the adapter against the real engine with package enginetest, which holds every adapter to these rules.
package engine
