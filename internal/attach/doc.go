// Package attach shows another program's River database without writing there.
//
// River's tables are only read, by statements whose cost depends on what is new or on what waits, never on how much was done
// before: see docs/decisions/0091-attach.md. What they do not keep, the sums of ended jobs by minute and hour, is
// gathered in a database of our own. Kinds of jobs take the place of agents, and River clients that of workers.
package attach
