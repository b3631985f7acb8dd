// Package ui holds the built dashboard. The sources are in src; "make generate" builds dist.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var built embed.FS

// Dist returns the built files: index.html, login.html, and assets/ with a ".gz" beside each compressible file.
func Dist() fs.FS {
	files, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // only an invalid name fails, and "dist" is valid
	}
	return files
}
