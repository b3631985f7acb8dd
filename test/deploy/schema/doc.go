// Package schema holds the files of the folder deploy against the types of those who will read them: what kustomize makes
// of deploy/kubernetes against the types of Kubernetes, compose.yaml against the specification of Compose. It is a module
// of its own, so that the product's does not depend on theirs; scripts/check-deploy runs it.
package schema
