// Package faults breaks the real agentos binary in every way we know and proves that it tells the truth meanwhile and
// recovers by itself afterwards. It knows the product from outside only: its command line, its HTTP interface, its
// signals and its files.
//
// Every test is a pair: break, check what viewers get, mend, check the recovery. Meanwhile a viewer asks for the
// document every 20 ms and another one follows the stream; no answer may go back in time, claim to be younger than it
// is, or be an error where there is a last good document. A table of all faults is printed at the end, and written to
// the file named by AGENTOS_FAULTS_REPORT.
//
//	make faults                     everything, with the numbers of repetitions that the project promises (long)
//	go test ./test/faults -short    every fault, fewer repetitions, several at a time
//
// AGENTOS_BINARY names a binary to test instead of the one that is built from the tree.
//
// The tests need Linux, for what they look up in /proc. As root they mount a small tmpfs for the full disk and run the
// server as another user where permissions matter; without root they use limits of the process instead, and say so.
package faults
