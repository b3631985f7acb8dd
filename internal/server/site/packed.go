package site

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"

	"github.com/agentos/agentos/snapshot"
)

// packedPage makes gzip pages without compressing them per request. A gzip body is a run of deflate blocks, and blocks
// that were compressed apart can be joined: those of the page's fixed parts are made once, those of a document once a
// revision, and the few bytes about the viewer are put between them uncompressed.
type packedPage struct {
	head, headBlocks [len(themes)][]byte // as it is, and compressed
	after, closing   []byte              // as it is, and compressed; it ends the body

	mu       sync.Mutex // one request at a time compresses a new document
	document atomic.Pointer[packedDocument]
}

type packedDocument struct {
	of     *snapshot.Snapshot // nil: there is none
	blocks []byte
}

var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

func (p *packedPage) init(head [len(themes)][]byte, after []byte) {
	p.head = head
	p.after = append(bytes.Clone(scriptClose), after...)
	for t := range head {
		p.headBlocks[t] = deflate(head[t], false)
	}
	p.closing = deflate(p.after, true)
}

// assemble returns the whole page. The block is what stands before the document.
func (p *packedPage) assemble(t theme, block []byte, doc *snapshot.Snapshot) []byte {
	text := documentText(doc)
	packedText := p.pack(doc, text)
	viewer := slices.Concat(block, snapshotOpen)

	body := make([]byte, 0, len(gzipHeader)+len(p.headBlocks[t])+5+len(viewer)+len(packedText)+len(p.closing)+8)
	body = append(body, gzipHeader...)
	body = append(body, p.headBlocks[t]...)
	body = appendStored(body, viewer)
	body = append(body, packedText...)
	body = append(body, p.closing...)

	sum, size := uint32(0), 0
	for _, part := range [][]byte{p.head[t], viewer, text, p.after} {
		sum = crc32.Update(sum, crc32.IEEETable, part)
		size += len(part)
	}
	body = binary.LittleEndian.AppendUint32(body, sum)
	return binary.LittleEndian.AppendUint32(body, uint32(size))
}

// pack compresses the text of a document at most once.
func (p *packedPage) pack(of *snapshot.Snapshot, text []byte) []byte {
	if known := p.document.Load(); known != nil && known.of == of {
		return known.blocks
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.document.Load(); known != nil && known.of == of {
		return known.blocks
	}
	made := &packedDocument{of: of, blocks: deflate(text, false)}
	p.document.Store(made)
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
