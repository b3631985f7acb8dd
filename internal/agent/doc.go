// Package agent knows what an agent is: any program, described by an entry of agentos.yaml ([Load], [Spec]), with its schedule ([Schedule]).
// Package runner runs it.
package agent
