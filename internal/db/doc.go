// Package db opens AgentOS's database: the job queue's tables (River's) and our own.
//
// SQLite allows one writer, so DB has two pools: Write with a single connection, and Read, whose connections refuse to
// write. Statements use $1 parameters, bigint milliseconds and JSON as text, so that the same text can serve other databases.
package db
