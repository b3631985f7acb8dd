// Package faults breaks the real agentos binary in every way we know and proves that it shows the truth meanwhile and
// recovers by itself afterwards. It knows the product from outside only: its command line, its HTTP interface, its
// signals and its files.
//
// Every test is a pair: break, check what viewers get, mend, check the recovery. Meanwhile a viewer asks for the
// document every 20 ms and another one follows the stream; no answer may go back in time, claim to be younger than it
// is, or be an error where there is a last good document. A table of all faults is printed at the end, and written to
// the file named by AGENTOS_FAULTS_REPORT.
//
// The tests whose names begin with TestCluster break a whole cluster instead: three servers, two workers, Postgres and
// Redis, made by package cluster, with viewers of every server and a flow of jobs. Their faults are tables in the files
// cluster_redis_test.go, cluster_postgres_test.go, cluster_both_test.go and cluster_process_test.go. Of each fault is
// asked that every answer is 200 with a true age (503 with a problem document from a server that never had anything),
// that 99 of 100 answers come within twice the time of before, 10 ms, or ten times that of a bare server that is asked in the same
// seconds (in the short run 95 of each fault's, and 99 of those of all faults of a cluster together), that all is well within 10 s
// afterwards, that no job is lost, no process ends, and that goroutines, files and connections are as few as before. No fault is
// repeated. The other tests of a cluster kill and pause its leader, count its statements, time how soon a
// change is on the screens of other servers, and let a fault happen every minute for AGENTOS_SOAK (an hour: make soak).
// AGENTOS_FAULTS_LOGS names a folder for the logs of a cluster that failed.
//
//	make faults                     everything, with the numbers of repetitions that the project promises (long)
//	go test ./test/faults -short    every fault, fewer repetitions, several at a time, the longest first
//
// AGENTOS_BINARY names a binary to test instead of the one that is built from the tree.
//
// The tests need Linux, for what they look up in /proc. As root they mount a small tmpfs for the full disk and run the
// server as another user where permissions matter; without root they use limits of the process instead, and say so.
package faults
