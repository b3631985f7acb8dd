// Package deploy holds the tests of what the repository offers for running AgentOS: compose.yaml, the Dockerfile,
// everything in the folder deploy, and what docs/operations.md says of them. These need nothing but Go. Package schema, a
// module of its own, holds the files against the types of Kubernetes and Compose; scripts/check-deploy tries them with
// the programs that will read them.
package deploy
