// Package alert has the rules that watch the document, and their states.
//
// A rule is a condition over the typed document ([Rule]), written in a part of the language of expr-lang and compiled once ([Compile]):
// what it reads is checked against the document's types before it runs. [Set.Evaluate] says of each instance of each rule whether its condition
// holds, does not hold, or is unknown; [State.Next] makes of that, and of the state before, the next state and the transitions that
// somebody is to be notified of. Both are pure: they read no clock and no database, send nothing and keep nothing.
//
// Unknown is a value of its own: a figure that is null, or whose section is too old, makes a condition unknown, never false or true,
// unless the rest of the condition decides it.
package alert
