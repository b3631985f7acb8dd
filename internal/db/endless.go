package db

import (
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Infinity and MinusInfinity stand for Postgres's times without end, which Go has not. As arguments they are these again.
var (
	Infinity      = time.UnixMicro(math.MaxInt64).UTC()
	MinusInfinity = time.UnixMicro(math.MinInt64).UTC()
)

// registerTimes lets a connection read and write times without end. The driver fails at one of them, and with it fails whatever
// list its row stands in, ours or one of River's.
func registerTimes(conn *pgx.Conn) {
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: endlessCodec{&pgtype.TimestamptzCodec{}}})
}

var errNoTime = errors.New("cannot scan NULL into *time.Time")

type endlessCodec struct{ *pgtype.TimestamptzCodec }

// PlanScan implements pgtype.Codec.
func (c endlessCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, plain := target.(*time.Time); !plain {
		return c.TimestamptzCodec.PlanScan(m, oid, format, target)
	}
	plan := c.TimestamptzCodec.PlanScan(m, oid, format, &pgtype.Timestamptz{})
	if plan == nil {
		return nil
	}
	return scanEndless{plan}
}

type scanEndless struct{ plan pgtype.ScanPlan }

func (s scanEndless) Scan(src []byte, target any) error {
	var read pgtype.Timestamptz
	if err := s.plan.Scan(src, &read); err != nil {
		return err
	}
	to := target.(*time.Time)
	switch {
	case !read.Valid:
		return errNoTime
	case read.InfinityModifier == pgtype.Infinity:
		*to = Infinity
	case read.InfinityModifier == pgtype.NegativeInfinity:
		*to = MinusInfinity
	default:
		*to = read.Time
	}
	return nil
}

// PlanEncode implements pgtype.Codec.
func (c endlessCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, plain := value.(time.Time); !plain {
		return c.TimestamptzCodec.PlanEncode(m, oid, format, value)
	}
	plan := c.TimestamptzCodec.PlanEncode(m, oid, format, pgtype.Timestamptz{})
	if plan == nil {
		return nil
	}
	return encodeEndless{plan}
}

type encodeEndless struct{ plan pgtype.EncodePlan }

func (e encodeEndless) Encode(value any, buf []byte) ([]byte, error) {
	at := value.(time.Time)
	write := pgtype.Timestamptz{Time: at, Valid: true}
	switch {
	case at.Equal(Infinity):
		write.InfinityModifier = pgtype.Infinity
	case at.Equal(MinusInfinity):
		write.InfinityModifier = pgtype.NegativeInfinity
	}
	return e.plan.Encode(write, buf)
}
