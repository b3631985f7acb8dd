package river

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivershared/baseservice"
	"github.com/riverqueue/river/rivershared/riverpilot"
	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/db"
)

// Client is what we use of River's client, whose type depends on the database.
type Client interface {
	Insert(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	InsertTx(ctx context.Context, tx *db.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	InsertManyTx(ctx context.Context, tx *db.Tx, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	JobGetTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error)
	JobRetryTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error)
	JobCancelTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error)
	JobDeleteTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error)
	QueueGet(ctx context.Context, name string) (*rivertype.Queue, error)
	QueuePauseTx(ctx context.Context, tx *db.Tx, name string, opts *river.QueuePauseOpts) error
	QueueResumeTx(ctx context.Context, tx *db.Tx, name string, opts *river.QueuePauseOpts) error
	// NotifyTx sends River's processes payloads on one of its topics.
	NotifyTx(ctx context.Context, tx *db.Tx, topic string, payloads []string) error
	// SetStateTx moves jobs that run to another state.
	SetStateTx(ctx context.Context, tx *db.Tx, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error)
	// FetchTx moves available jobs of a queue to a worker.
	FetchTx(ctx context.Context, tx *db.Tx, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error)
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	Subscribe(kinds ...river.EventKind) (<-chan *river.Event, func())
	ID() string
}

// NewClient makes River's client for a database. The hooks are for one that runs jobs; nil for others.
func NewClient(d *db.DB, hooks Hooks, config *river.Config) (Client, error) {
	if d.Kind == db.Postgres {
		return newClientOn(riverpgxv5.New(d.Pool), hooks, (*db.Tx).Postgres, config)
	}
	return newClientOn(riversqlite.New(d.Write), hooks, (*db.Tx).SQLite, config)
}

// Hooks stand between River and its driver where River fetches jobs and listens for notifications.
type Hooks interface {
	riverpilot.Pilot
	// Listener returns what River is to listen on instead of its driver's own.
	Listener(driver riverdriver.Listener) riverdriver.Listener
}

// hookedDriver is River's, with hooks in it.
type hookedDriver[T any] struct {
	riverdriver.Driver[T]
	hooks Hooks
}

func (d *hookedDriver[T]) PluginInit(*baseservice.Archetype) {}
func (d *hookedDriver[T]) PluginPilot() riverpilot.Pilot     { return d.hooks }

func (d *hookedDriver[T]) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	return d.hooks.Listener(d.Driver.GetListener(params))
}

// clientOn is the queueClient of a database whose transactions are of type T.
type clientOn[T any] struct {
	*river.Client[T]
	river func(*db.Tx) T
}

func newClientOn[T any](on riverdriver.Driver[T], hooks Hooks, rivers func(*db.Tx) T, config *river.Config) (Client, error) {
	if hooks != nil {
		on = &hookedDriver[T]{on, hooks}
	}
	client, err := river.NewClient(on, config)
	if err != nil {
		return nil, err
	}
	return &clientOn[T]{client, rivers}, nil
}

func (c *clientOn[T]) InsertTx(ctx context.Context, tx *db.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	return c.Client.InsertTx(ctx, c.river(tx), args, opts)
}

func (c *clientOn[T]) InsertManyTx(ctx context.Context, tx *db.Tx, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error) {
	return c.Client.InsertManyTx(ctx, c.river(tx), params)
}

func (c *clientOn[T]) JobGetTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error) {
	return c.Client.JobGetTx(ctx, c.river(tx), id)
}

func (c *clientOn[T]) JobRetryTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error) {
	return c.Client.JobRetryTx(ctx, c.river(tx), id)
}

func (c *clientOn[T]) JobCancelTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error) {
	return c.Client.JobCancelTx(ctx, c.river(tx), id)
}

func (c *clientOn[T]) JobDeleteTx(ctx context.Context, tx *db.Tx, id int64) (*rivertype.JobRow, error) {
	return c.Client.JobDeleteTx(ctx, c.river(tx), id)
}

func (c *clientOn[T]) QueuePauseTx(ctx context.Context, tx *db.Tx, name string, opts *river.QueuePauseOpts) error {
	return c.Client.QueuePauseTx(ctx, c.river(tx), name, opts)
}

func (c *clientOn[T]) QueueResumeTx(ctx context.Context, tx *db.Tx, name string, opts *river.QueuePauseOpts) error {
	return c.Client.QueueResumeTx(ctx, c.river(tx), name, opts)
}

func (c *clientOn[T]) NotifyTx(ctx context.Context, tx *db.Tx, topic string, payloads []string) error {
	return c.Driver().UnwrapExecutor(c.river(tx)).NotifyMany(ctx, &riverdriver.NotifyManyParams{Topic: topic, Payload: payloads, Schema: c.Schema()})
}

func (c *clientOn[T]) SetStateTx(ctx context.Context, tx *db.Tx, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	return c.Pilot().JobSetStateIfRunningMany(ctx, c.Driver().UnwrapExecutor(c.river(tx)), params)
}

func (c *clientOn[T]) FetchTx(ctx context.Context, tx *db.Tx, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	return c.Driver().UnwrapExecutor(c.river(tx)).JobGetAvailable(ctx, params)
}

// Args are a job's arguments as they are: the agent reads them, not we.
type Args struct {
	kind string
	raw  json.RawMessage
}

// NewArgs are the arguments of a job of a kind.
func NewArgs(kind string, raw json.RawMessage) Args { return Args{kind, raw} }

// Raw is what stands there.
func (a Args) Raw() json.RawMessage { return a.raw }

// Kind is the agent's name.
func (a Args) Kind() string { return a.kind }

// MarshalJSON implements json.Marshaler.
func (a Args) MarshalJSON() ([]byte, error) { return a.raw, nil }

// UnmarshalJSON implements json.Unmarshaler.
func (a *Args) UnmarshalJSON(b []byte) error {
	a.raw = append(json.RawMessage(nil), b...)
	return nil
}

// Where River announces inserted jobs, and what it does to queues and jobs.
const (
	InsertTopic  = "river_insert"
	ControlTopic = "river_control"
)

// InsertPayload announces that jobs came to a queue.
func InsertPayload(queue string) string { return payload(map[string]string{"queue": queue}) }

// ControlPayload announces that a queue, or "*" for all, is paused or resumed.
func ControlPayload(action, queue string) string {
	return payload(map[string]string{"action": action, "queue": queue})
}

func payload(of map[string]string) string {
	text, err := json.Marshal(of)
	if err != nil {
		panic(fmt.Sprintf("a map of texts cannot be JSON: %v", err)) // it always can
	}
	return string(text)
}
