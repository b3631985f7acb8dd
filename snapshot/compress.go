package snapshot

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// gzipLevel is where more effort stops paying: 0.25 ms for a document of 54 KB, which becomes 12 KB.
const gzipLevel = 6

// A compressor keeps its writers, which are large, from one document to the next. Safe for concurrent use.
type compressor struct {
	mu      sync.Mutex // guards what follows; never held while anything waits
	buf     bytes.Buffer
	gzips   *gzip.Writer
	deflate *flate.Writer
}

func newCompressor() *compressor {
	z := &compressor{}
	z.gzips, _ = gzip.NewWriterLevel(&z.buf, gzipLevel) // the level is valid
	z.deflate, _ = flate.NewWriter(&z.buf, gzipLevel)
	return z
}

// gzip returns data as a complete gzip file.
func (z *compressor) gzip(data []byte) []byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.buf.Reset()
	z.gzips.Reset(&z.buf)
	_, _ = z.gzips.Write(data) // writes to memory do not fail
	_ = z.gzips.Close()
	return bytes.Clone(z.buf.Bytes())
}

// deflated returns data as deflate blocks which refer to nothing before them and end on a byte boundary (a sync flush):
// they can be appended to any deflate stream, and the reader can decode all of data as soon as it has them.
func (z *compressor) deflated(data []byte) []byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.buf.Reset()
	z.deflate.Reset(&z.buf)
	_, _ = z.deflate.Write(data)
	_ = z.deflate.Flush()
	return bytes.Clone(z.buf.Bytes())
}
