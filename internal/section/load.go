package section

// Load reads the sections of a fleet's file. The error is a strictyaml.Errors when the file was read and is not valid.
func Load(string) ([]Spec, error) {
	return nil, nil
}

// Parse reads the text of a fleet's file. Name is what errors call the file; dir, an absolute path, is what relative paths are
// relative to.
func Parse(string, string, []byte) ([]Spec, error) {
	return nil, nil
}
