//go:build race

package server

// raced: the race detector makes our code slower, but not the kernel's, so shares of time mean nothing.
const raced = true
