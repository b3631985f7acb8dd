package runlog

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
	"github.com/agentos/agentos/internal/runner"
)

const (
	flushEvery   = 100 * time.Millisecond
	flushTimeout = 10 * time.Second
	maxMessage   = 160 // bytes of the last line shown beside a running job
	linesAtOnce  = 100 // rows of one insert
	// linesOfRunAtOnce and linesOfFlush bound a transaction.
	linesOfRunAtOnce = 1_000
	bytesOfRunAtOnce = 512 << 10
	bytesAtOnce      = 128 << 10 // of one insert
	linesOfFlush     = 5_000
	// lineCost is what a line takes in memory and in the database beside its text, in bytes.
	lineCost = 100
)

// logLimits say how much of a log is kept.
type logLimits struct {
	headLines, headBytes int // the beginning of a run, which is kept whatever follows
	lines, bytes         int // of a run in all: beyond, lines between the beginning and the end are left out
	waiting              int // bytes of all runs that wait for the database; then the agents wait too
}

var defaultLogLimits = logLimits{headLines: 2_000, headBytes: 1 << 20, lines: 10_000, bytes: 8 << 20, waiting: 32 << 20}

// Book gathers what the attempts of this process say and writes it in one transaction ten times a second.
//
// Of a run that says more than it may keep, the beginning and the end stay, and a line of its own says how much is missing between
// them. Nothing else is lost while the database can be written: when too much waits for it, add waits, and with it the agent's pipe.
// While the database cannot be written, agents go on, and the oldest lines that find no room are left out in the same way.
type Book struct {
	db      *db.DB
	report  func(what string, err error) // what came of each write
	flushed func(lines bool)             // called after a write; lines: not only of how far attempts are
	limits  logLimits
	dirty   chan struct{} // capacity 1

	mu      sync.Mutex
	runs    map[int64]*Pending
	waiting int        // bytes of lines that are not written yet
	failing bool       // the last write failed
	closed  bool       // nothing writes any more
	next    int64      // the run to begin the next write with
	ended   *sync.Cond // of mu: a write has ended, or closed

	waitMu  sync.Mutex
	waiters map[int64]map[chan struct{}]struct{}
}

// Pending is what one run has said and is not written yet, and what must be known to leave out what is too much.
type Pending struct {
	runID, jobID int64
	agent        string
	limits       logLimits

	head, tail []logged // not written yet, in order; lines go to the tail once the head is full
	headFull   bool
	headSize   size // with what is written
	tailSize   size // with what is written and is being written
	written    rows
	left       size // left out, between head and tail
	lost       bool // some of these because the database could not be written
	gapStale   bool // the row that says so is to be written again

	progress    *float64
	message     string
	usage       runner.Usage // of the whole run
	changed     bool         // progress, message or usage
	underWay    *Pending     // the part that is being written, or unconfirmed
	unconfirmed bool         // the write of that part failed: it is to be written again as it is, or may be written after all
	leaveOut    bool         // of that part: its lines of the tail are too much already
	again       bool         // this is a part that was unconfirmed
}

type logged struct {
	at         time.Time
	level, msg string
}

func (l logged) size() size { return size{1, len(l.msg) + lineCost} }

type size struct{ lines, bytes int }

func (s *size) add(o size) { s.lines, s.bytes = s.lines+o.lines, s.bytes+o.bytes }
func (s *size) sub(o size) { s.lines, s.bytes = s.lines-o.lines, s.bytes-o.bytes }

// rows is what of a run is in the database.
type rows struct {
	first, head int64     // ids of the first line, or of the gap before it, and of the last of the head; 0 when there is none
	last        int64     // id of the last line
	tail        []segment // in order
	deleteTo    int64     // those of the tail up to this id are to be deleted
}

// segment is some lines of the tail, up to the one of an id.
type segment struct {
	last int64
	size
}

// New makes a book. Both functions are called from its Run and Flush.
func New(d *db.DB, report func(what string, err error), flushed func(lines bool)) *Book {
	b := &Book{
		db: d, report: report, flushed: flushed,
		limits: defaultLogLimits, dirty: make(chan struct{}, 1), runs: map[int64]*Pending{}, waiters: map[int64]map[chan struct{}]struct{}{},
	}
	b.ended = sync.NewCond(&b.mu)
	return b
}

// Open begins the log of a run, which has its row.
func (b *Book) Open(run, job int64, agent string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runs[run] = &Pending{runID: run, jobID: job, agent: agent, limits: b.limits}
}

// stir lets the writer look.
func (b *Book) stir() {
	select {
	case b.dirty <- struct{}{}:
	default:
	}
}

// Add takes a line. It waits while too much waits for a database that can be written.
func (b *Book) Add(run int64, line runner.Line) {
	b.mu.Lock()
	for b.waiting >= b.limits.waiting && !b.failing && !b.closed {
		b.stir()
		b.ended.Wait()
	}
	if r := b.runs[run]; r != nil {
		b.waiting += r.add(line, b.waiting >= b.limits.waiting)
	}
	b.mu.Unlock()
	b.stir()
}

// add takes a line, in place of an older one when there is no room, and returns by how many bytes more waits.
func (r *Pending) add(line runner.Line, full bool) (more int) {
	if line.Live {
		r.message, r.changed = engine.Clip(line.Msg, maxMessage), true
	}
	if line.HasMsg {
		more = r.take(logged{line.At, line.Level, line.Msg}, full)
		r.message, r.changed = engine.Clip(line.Msg, maxMessage), true
	}
	if line.Progress != nil {
		r.progress, r.changed = line.Progress, true
	}
	if line.Usage != nil {
		r.usage.InputTokens += line.Usage.InputTokens
		r.usage.OutputTokens += line.Usage.OutputTokens
		r.usage.CostUSD += line.Usage.CostUSD
		r.changed = true
	}
	return more
}

func (r *Pending) take(l logged, full bool) (more int) {
	more = l.size().bytes
	if full {
		r.headFull, r.lost = true, true // what comes from now on is the end
	}
	if !r.headFull {
		r.head = append(r.head, l)
		r.headSize.add(l.size())
		r.headFull = r.headSize.lines >= r.limits.headLines || r.headSize.bytes >= r.limits.headBytes
		return more
	}
	r.tail = append(r.tail, l)
	r.tailSize.add(l.size())
	for drop := full; drop || r.headSize.lines+r.tailSize.lines > r.limits.lines || r.headSize.bytes+r.tailSize.bytes > r.limits.bytes; drop = false {
		more -= r.dropOldest(full)
	}
	return more
}

// dropOldest leaves out the oldest lines of the tail. When there is no room for what waits, one of those goes, and all that is older:
// there is one gap. It returns how many bytes of these waited.
func (r *Pending) dropOldest(noRoom bool) (bytes int) {
	var gone size
	written, underWay := r.written.tail, r.underWay != nil && !r.leaveOut && len(r.underWay.tail) > 0
	if n := len(written); n > 0 {
		if !noRoom {
			n = 1
		}
		for _, s := range written[:n] {
			gone.add(s.size)
		}
		r.written.deleteTo, r.written.tail = written[n-1].last, written[n:]
	}
	if underWay && (noRoom || len(written) == 0) {
		r.leaveOut = true
		gone.add(sizeOf(r.underWay.tail))
		if r.unconfirmed {
			bytes += r.forget()
		}
	}
	if noRoom || len(written) == 0 && !underWay {
		oldest := r.tail[0].size()
		r.tail = r.tail[1:]
		bytes += oldest.bytes
		gone.add(oldest)
	}
	r.tailSize.sub(gone)
	r.left.add(gone)
	r.gapStale = true
	return bytes
}

// forget drops the lines of an unconfirmed part that are left out, and returns how many bytes of these waited.
func (r *Pending) forget() (bytes int) {
	bytes = sizeOf(r.underWay.tail).bytes
	r.underWay.tail = nil
	return bytes
}

func sizeOf(lines []logged) (all size) {
	for _, l := range lines {
		all.add(l.size())
	}
	return all
}

func (r *Pending) hasNews() bool {
	return len(r.head)+len(r.tail) > 0 || r.changed || r.gapStale || r.unconfirmed
}

// waits is how many bytes wait to be written.
func (r *Pending) waits() (bytes int) {
	if r.underWay != nil {
		bytes = r.underWay.waits()
	}
	return bytes + sizeOf(r.head).bytes + sizeOf(r.tail).bytes
}

// Close takes a run out of the book and returns what is not written yet, for the transaction that ends the run. What is being
// written comes first: nothing of a run is to appear after its end.
func (b *Book) Close(run int64) *Pending {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.runs[run]
	if r == nil {
		return nil
	}
	for r.underWay != nil && !r.unconfirmed {
		b.ended.Wait()
	}
	delete(b.runs, run)
	b.waiting -= r.waits()
	b.ended.Broadcast()
	return r
}

// Reopen gives back what close returned.
func (b *Book) Reopen(run int64, r *Pending) {
	if r == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runs[run] = r
	b.waiting += r.waits()
}

// Run writes until ctx ends.
func (b *Book) Run(ctx context.Context) {
	defer b.stopWaiting()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.dirty:
		}
		if !b.muchWaits() {
			select { // let more come together
			case <-ctx.Done():
				return
			case <-time.After(flushEvery):
			}
		}
		once, cancel := context.WithTimeout(ctx, flushTimeout)
		err := b.Flush(once)
		cancel()
		b.report("write log lines", err)
		if err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(flushEvery):
			}
			b.stir()
		}
	}
}

// muchWaits reports whether a write is worth it at once.
func (b *Book) muchWaits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting > b.limits.waiting/8
}

// stopWaiting lets agents go on that nobody will write for.
func (b *Book) stopWaiting() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.ended.Broadcast()
}

// Flush writes what waits, as much as fits into one transaction.
func (b *Book) Flush(ctx context.Context) error {
	batch, more := b.take()
	if len(batch) == 0 {
		return nil
	}
	written := make([]rows, len(batch))
	err := b.db.InTx(ctx, func(tx *db.Tx) (err error) {
		for i, r := range batch {
			if written[i], err = r.Write(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	b.finishWrite(batch, written, err)
	if more {
		b.stir()
	}
	if err != nil {
		return err
	}
	lines := false
	for _, r := range batch {
		if len(r.head)+len(r.tail) > 0 {
			lines = true
		}
		b.Wake(r.runID)
	}
	b.flushed(lines)
	return nil
}

// take moves what is new out of the book, up to what one transaction may write; more: there is more.
func (b *Book) take() (batch []*Pending, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	runs := slices.Sorted(maps.Keys(b.runs))
	from, _ := slices.BinarySearch(runs, b.next)
	lines := 0
	for _, run := range slices.Concat(runs[from:], runs[:from]) {
		r := b.runs[run]
		if !r.hasNews() {
			continue
		}
		if lines >= linesOfFlush {
			b.next = run
			return batch, true
		}
		part := r.part()
		batch = append(batch, part)
		lines += len(part.head) + len(part.tail)
		more = more || r.hasNews()
	}
	return batch, more
}

// part takes what is to be written next: the unconfirmed part, before anything that came since.
func (r *Pending) part() *Pending {
	if r.unconfirmed {
		r.unconfirmed = false
		return r.underWay
	}
	part := *r
	room := size{linesOfRunAtOnce, bytesOfRunAtOnce}
	part.head, r.head = split(r.head, &room)
	part.tail, r.tail = split(r.tail, &room)
	headWaits := len(r.head) > 0 // then there is no room for the tail either, and the gap between them waits too
	part.gapStale, r.gapStale = r.gapStale && !headWaits, r.gapStale && headWaits
	r.changed, r.underWay, r.leaveOut = false, &part, false
	return &part
}

// split takes as many lines as there is room for, and that room.
func split(lines []logged, room *size) (first, rest []logged) {
	n := 0
	for ; n < len(lines) && room.lines > 0 && room.bytes > 0; n++ {
		room.sub(lines[n].size())
	}
	return lines[:n:n], lines[n:]
}

// finishWrite is the end of a write. What a write that failed was to write stays as it is and is written first the next time, which looks
// whether it is there: when the connection breaks during the commit, nobody knows.
func (b *Book) finishWrite(batch []*Pending, written []rows, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.ended.Broadcast()
	b.failing = err != nil
	for i, part := range batch {
		r := b.runs[part.runID]
		if err != nil {
			r.unconfirmed, part.again = true, true
			if r.leaveOut {
				b.waiting -= r.forget()
			}
			continue
		}
		b.waiting -= part.waits()
		r.wrote(part, written[i])
	}
}

// wrote notes what of a part is in the database. Meanwhile more of it may have become too much.
func (r *Pending) wrote(part *Pending, now rows) {
	deleteTo := int64(0)
	if r.written.deleteTo > part.written.deleteTo {
		deleteTo = r.written.deleteTo
	}
	if n := len(now.tail); n > 0 && r.leaveOut {
		deleteTo = now.tail[n-1].last
	}
	r.written = now
	r.written.tail = slices.DeleteFunc(now.tail, func(s segment) bool { return s.last <= deleteTo })
	r.written.deleteTo = deleteTo
	r.underWay, r.unconfirmed, r.leaveOut = nil, false, false
}

// Write puts the lines and the latest state into the database, and returns what of the run is there then. It changes nothing else,
// and what a try before has written after all it does not write again: it may be tried again.
func (r *Pending) Write(ctx context.Context, tx *db.Tx) (rows, error) {
	if r.unconfirmed {
		now, err := r.underWay.Write(ctx, tx)
		if err != nil {
			return now, err
		}
		rest := *r
		rest.wrote(r.underWay, now)
		return rest.Write(ctx, tx)
	}
	now := r.written
	now.tail = slices.Clone(r.written.tail)
	there, gap, err := r.find(ctx, tx)
	if err != nil {
		return now, err
	}
	found := len(there) > 0
	head, err := r.insert(ctx, tx, r.head, &there, &now)
	if err != nil {
		return now, err
	}
	if len(head) > 0 {
		now.head = now.last
	}
	if r.gapStale && !found {
		if gap, err = r.writeGap(ctx, tx, now.head); err != nil {
			return now, err
		}
	}
	if now.head == 0 && gap > 0 {
		now.first = gap
	}
	tail, err := r.insert(ctx, tx, r.tail, &there, &now)
	if err != nil {
		return now, err
	}
	now.tail = append(now.tail, tail...)
	if n := len(there); n > 0 { // lines that were left out since
		now.last = there[n-1]
		now.tail = append(now.tail, segment{last: now.last})
	}
	if !r.changed && len(r.head)+len(r.tail) == 0 && now.first == r.written.first {
		return now, nil
	}
	_, err = tx.ExecContext(ctx, `update run set progress = $2, message = $3, input_tokens = $4, output_tokens = $5, cost_usd = $6, first_log = $7
		where id = $1`, r.runID, r.progress, db.Nullable(r.message), r.usage.InputTokens, r.usage.OutputTokens, r.usage.CostUSD,
		sql.NullInt64{Int64: now.first, Valid: now.first > 0})
	return now, err
}

// find returns the ids of the lines of a part, and that of the gap, if a try before has written them after all. It waits for one
// that is still being committed.
func (r *Pending) find(ctx context.Context, tx *db.Tx) (there []int64, gap int64, err error) {
	if !r.again {
		return nil, 0, nil
	}
	if _, err := tx.ExecContext(ctx, `update run set message = message where id = $1`, r.runID); err != nil {
		return nil, 0, err
	}
	rows, err := tx.QueryContext(ctx, `select id, left_lines is not null from run_log where run_id = $1 and id > $2 order by id`, r.runID, r.written.head)
	_, err = db.Collect(rows, err, func(rows *sql.Rows) (none struct{}, err error) {
		var id int64
		var isGap bool
		err = rows.Scan(&id, &isGap)
		switch {
		case isGap:
			gap = id
		case id > r.written.last:
			there = append(there, id)
		}
		return none, err
	})
	if err != nil || len(there) == 0 {
		return nil, 0, err
	}
	if missing := len(r.head) + len(r.tail) - len(there); missing > 0 { // the oldest were deleted since
		there = slices.Concat(slices.Repeat(there[:1], missing), there)
	}
	return there, gap, nil
}

// insert writes lines, unless their ids are there, and returns them as segments.
func (r *Pending) insert(ctx context.Context, tx *db.Tx, lines []logged, there *[]int64, now *rows) (all []segment, err error) {
	for len(lines) > 0 {
		var chunk []logged
		chunk, lines = split(lines, &size{linesAtOnce, bytesAtOnce})
		var ids []int64
		if len(*there) > 0 {
			ids, *there = (*there)[:len(chunk)], (*there)[len(chunk):]
		} else if ids, err = r.insertChunk(ctx, tx, chunk); err != nil {
			return nil, err
		}
		if now.first == 0 {
			now.first = slices.Min(ids)
		}
		now.last = slices.Max(ids)
		all = append(all, segment{now.last, sizeOf(chunk)})
	}
	return all, nil
}

func (r *Pending) insertChunk(ctx context.Context, tx *db.Tx, lines []logged) (ids []int64, err error) {
	args := make([]any, 0, 6*len(lines))
	for _, l := range lines {
		args = append(args, r.runID, r.jobID, r.agent, l.at.UnixMilli(), l.level, l.msg)
	}
	rows, err := tx.QueryContext(ctx, `insert into run_log (run_id, job_id, agent, at_ms, level, msg) values `+db.Tuples(len(lines), 6)+` returning id`, args...)
	return db.Collect(rows, err, db.ScanID)
}

// writeGap deletes the lines that are too much, and puts one in their place that says how many are missing, whose id it returns. If
// older lines of the tail are left, that is the id of the last that was deleted, else one of its own: so those who follow the log see it.
func (r *Pending) writeGap(ctx context.Context, tx *db.Tx, head int64) (id int64, err error) {
	args := []any{r.runID, r.jobID, r.agent, time.Now().UnixMilli(), r.gapText(), r.left.lines, r.leftBytes()}
	deleteTo, columns, values := int64(math.MaxInt64), "", ""
	if len(r.written.tail) > 0 {
		deleteTo, columns, values = r.written.deleteTo, ", id", ", $8"
		args = append(args, deleteTo)
	}
	_, err = tx.ExecContext(ctx, `delete from run_log where run_id = $1 and id > $2 and id <= $3`, r.runID, head, deleteTo)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `insert into run_log (run_id, job_id, agent, at_ms, level, msg, left_lines, left_bytes`+columns+`)
		values ($1, $2, $3, $4, 'warn', $5, $6, $7`+values+`) returning id`, args...).Scan(&id)
	return id, err
}

func (r *Pending) leftBytes() int { return r.left.bytes - r.left.lines*lineCost }

func (r *Pending) gapText() string {
	text := fmt.Sprintf("%d lines (%s) are missing here: ", r.left.lines, engine.SizeText(int64(r.leftBytes())))
	if r.lost {
		return text + "the database could not be written for a while"
	}
	return text + fmt.Sprintf("the log of a run keeps its first %d lines and its last, %d or %s in all",
		r.limits.headLines, r.limits.lines, engine.SizeText(int64(r.limits.bytes)))
}

// Wake wakes those who wait for lines of a run.
func (b *Book) Wake(run int64) {
	b.waitMu.Lock()
	defer b.waitMu.Unlock()
	for waiter := range b.waiters[run] {
		select {
		case waiter <- struct{}{}:
		default:
		}
	}
}

// Listen returns a channel that gets a value when there may be new lines of a run, and what ends that.
func (b *Book) Listen(run int64) (<-chan struct{}, func()) {
	waiter := make(chan struct{}, 1)
	b.waitMu.Lock()
	defer b.waitMu.Unlock()
	if b.waiters[run] == nil {
		b.waiters[run] = map[chan struct{}]struct{}{}
	}
	b.waiters[run][waiter] = struct{}{}
	return waiter, func() {
		b.waitMu.Lock()
		defer b.waitMu.Unlock()
		delete(b.waiters[run], waiter)
		if len(b.waiters[run]) == 0 {
			delete(b.waiters, run)
		}
	}
}

// Here reports whether the run is of this process.
func (b *Book) Here(run int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.runs[run] != nil
}

const (
	// logsPoll is how often the lines of another process's run are looked for.
	logsPoll = 200 * time.Millisecond
	// logsCheck is for a run of this process, which reports by itself.
	logsCheck = 2 * time.Second
)

// WaitRunLogs is read, which is Reader.RunLogs, that waits for a line or the end of the run, until ctx is done; then it returns no lines and no
// error.
func (b *Book) WaitRunLogs(ctx context.Context, read func(ctx context.Context, run engine.ID, after int64, limit int) ([]engine.LogLine, bool, error), id engine.ID, after int64, limit int) ([]engine.LogLine, bool, error) {
	run, _ := id.Number() // of what is none, reading says so
	news, stop := b.Listen(run)
	defer stop()
	for {
		lines, done, err := read(ctx, id, after, limit)
		switch {
		case ctx.Err() != nil:
			return []engine.LogLine{}, false, nil
		case err != nil || done || len(lines) > 0:
			return lines, done, err
		}
		pause := logsPoll
		if b.Here(run) {
			pause = logsCheck
		}
		select {
		case <-ctx.Done():
			return []engine.LogLine{}, false, nil
		case <-news:
		case <-time.After(pause):
		}
	}
}
