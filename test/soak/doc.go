// Package soak runs the real binary for a while, as it is used, and tests that what it holds does not grow.
package soak
