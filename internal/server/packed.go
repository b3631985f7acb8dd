package server

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"

	"github.com/agentos/agentos/internal/prerender"
	"github.com/agentos/agentos/snapshot"
)

// packedPage makes gzip pages without compressing them per request. A gzip body is a run of deflate blocks, and blocks
// that were compressed apart can be joined: those of the page's fixed parts are made once, those of a document once a
// revision, and the few bytes about the viewer are put between them uncompressed.
type packedPage struct {
	head, headBlocks      [len(themes)][]byte // as it is, and compressed
	before, after         []byte              // as they are
	beforeBlocks, closing []byte              // compressed; closing ends the body

	document packedOnce[snapshot.Snapshot]
	overview packedOnce[prerender.Drawing]
}

// packedOnce is the compressed text of the newest of something.
type packedOnce[T any] struct {
	mu     sync.Mutex // one request at a time compresses a new one
	newest atomic.Pointer[packed[T]]
}

type packed[T any] struct {
	of     *T // nil: there is none
	blocks []byte
}

var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

func (p *packedPage) init(head [len(themes)][]byte, before, after []byte) {
	p.head, p.before = head, before
	p.after = append(bytes.Clone(snapshotClose), after...)
	for t := range head {
		p.headBlocks[t] = deflate(head[t], false)
	}
	p.beforeBlocks = deflate(before, false)
	p.closing = deflate(p.after, true)
}

// assemble returns the whole page. The block is what stands before the document.
func (p *packedPage) assemble(t theme, drawn *prerender.Drawing, block []byte, doc *snapshot.Snapshot) []byte {
	markup, text := markupOf(drawn), documentText(doc)
	packedMarkup, packedText := p.overview.pack(drawn, markup), p.document.pack(doc, text)
	viewer := slices.Concat(block, snapshotOpen)

	body := make([]byte, 0, len(gzipHeader)+len(p.headBlocks[t])+len(packedMarkup)+len(p.beforeBlocks)+5+len(viewer)+len(packedText)+len(p.closing)+8)
	body = append(body, gzipHeader...)
	body = append(body, p.headBlocks[t]...)
	body = append(body, packedMarkup...)
	body = append(body, p.beforeBlocks...)
	body = appendStored(body, viewer)
	body = append(body, packedText...)
	body = append(body, p.closing...)

	sum, size := uint32(0), 0
	for _, part := range [][]byte{p.head[t], markup, p.before, viewer, text, p.after} {
		sum = crc32.Update(sum, crc32.IEEETable, part)
		size += len(part)
	}
	body = binary.LittleEndian.AppendUint32(body, sum)
	return binary.LittleEndian.AppendUint32(body, uint32(size))
}

// pack compresses the text of one at most once.
func (p *packedOnce[T]) pack(of *T, text []byte) []byte {
	if known := p.newest.Load(); known != nil && known.of == of {
		return known.blocks
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.newest.Load(); known != nil && known.of == of {
		return known.blocks
	}
	made := &packed[T]{of: of, blocks: deflate(text, false)}
	p.newest.Store(made)
	return made.blocks
}

// deflate compresses text to blocks that end on a byte; last marks the end of the body.
func deflate(text []byte, last bool) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 6)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil && last {
		err = w.Close()
	} else if err == nil {
		err = w.Flush()
	}
	if err != nil {
		panic(err) // only a bad level or a failing writer fails, and there is neither
	}
	return out.Bytes()
}

// appendStored adds text as uncompressed blocks.
func appendStored(body, text []byte) []byte {
	const most = 1<<16 - 1
	for len(text) > 0 {
		n := min(len(text), most)
		body = append(body, 0)
		body = binary.LittleEndian.AppendUint16(body, uint16(n))
		body = binary.LittleEndian.AppendUint16(body, ^uint16(n))
		body = append(body, text[:n]...)
		text = text[n:]
	}
	return body
}
