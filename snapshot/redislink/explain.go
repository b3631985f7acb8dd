package redislink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/rueidis"
)

// A linkError says what could not be done at which server, why, and where it can be known what to do about it. The text of
// the same trouble is always the same, so that it can be logged once.
type linkError struct {
	Op     string // what was tried, such as "store the document"
	Target string // the URL without names and passwords
	Cause  string // why it failed
	Advice string // what to do; may be empty
	Err    error
}

func (e *linkError) Error() string {
	text := e.Op + " in " + e.Target + ": " + e.Cause
	if e.Advice != "" {
		text += ": " + e.Advice
	}
	return text
}

func (e *linkError) Unwrap() error { return e.Err }

// advice says what to do about what Redis answers, by the beginning of the answer; rueidis drops a leading ERR.
var advice = []struct{ prefix, text string }{
	{"NOAUTH", "the server wants a password: write it in the URL, as redis://:password@host or redis://user:password@host"},
	{"WRONGPASS", "correct user and password in the URL; % / ? # @ within them are written as %25 %2F %3F %23 %40"},
	{"NOPERM", "give the user these rights: ~KEY* &KEY* " + neededCommands},
	{"WRONGTYPE", "something else is stored under the key: the next document overwrites it"},
	{"READONLY", "this is a replica, which cannot be written to: write the primary's address, or redis-sentinel:// to follow it"},
	{"OOM", "the server's memory is full: raise maxmemory, or set maxmemory-policy to one that evicts"},
	{"MISCONF", "the server cannot save to its disk and refuses writes: see its log, or set stop-writes-on-bgsave-error to no"},
	{"MOVED", "the server is part of a Redis Cluster: write redis-cluster:// with the addresses of its nodes"},
	{"CLUSTERDOWN", "the Redis Cluster has lost nodes: see CLUSTER INFO"},
	{"No such master with that name", "the sentinels watch no primary of this name: write the one of their \"sentinel monitor NAME\" as ?master=NAME"},
	{"MASTERDOWN", "the replica has lost its primary: it waits for a failover or for the primary"},
	{"LOADING", "the server is reading its data: it works when that is done"},
	{"BUSY", "a script blocks the server: see its log, and SCRIPT KILL"},
	{"NOREPLICAS", "the server waits for replicas: see min-replicas-to-write"},
	{"max number of clients reached", "the server has no connection left: raise maxclients"},
	{"DB index is out of range", "the server has no database of this number: write another one after the host, such as /0"},
	{"unknown command", "the server does not know the command: Redis 6 or Valkey 7 is needed, without renamed commands"},
	{"This instance has cluster support disabled", "this is no Redis Cluster: write redis:// with one address"},
}

// neededCommands are what an ACL must allow; the last three are for Sentinel and Cluster.
const neededCommands = "+getrange +strlen +get +set +pttl +evalsha +eval +time +hmget +hget +hset +del +pexpire +publish +subscribe +ping " +
	"+role +cluster|slots +cluster|shards"

// explain makes an error of what rueidis says. The result for nil is nil.
func (l *Link) explain(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &linkError{Op: op, Target: l.target.String(), Err: err}
	var answered *rueidis.RedisError
	if errors.As(err, &answered) {
		e.Cause = oneLine(answered)
		for _, a := range advice {
			if strings.HasPrefix(e.Cause, a.prefix) {
				e.Advice = strings.ReplaceAll(a.text, "KEY", l.opts.Key)
				break
			}
		}
		return e
	}
	e.Cause, e.Advice = unreached(err, l.target)
	return e
}

// unreached names what is wrong with a server that does not answer. Addresses and ports of our own side are left out:
// they differ each time.
func unreached(err error, target *target) (cause, advice string) {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var certificate *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var lookup *net.DNSError
	switch {
	case errors.Is(err, errHandshake) && errors.Is(err, context.DeadlineExceeded): // a server without TLS waits for the end of a line
		return "no answer to the TLS handshake in time", "if this goes on and the server does not speak TLS, write redis:// instead of rediss://"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time", ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", ""
	case errors.As(err, &lookup):
		return fmt.Sprintf("the name %s cannot be resolved", lookup.Name), ""
	case errors.As(err, &authority):
		return "its certificate is from an unknown authority", "name the authority's file by ?ca=/path/ca.pem"
	case errors.As(err, &host):
		return host.Error(), "name the certificate's host by ?server-name="
	case errors.As(err, &certificate):
		return certificate.Error(), ""
	case errors.As(err, &plain):
		return "it does not speak TLS", "write redis:// instead of rediss://"
	case errors.Is(err, rueidis.ErrNoSlot):
		return "no node has the key", "see CLUSTER INFO"
	case isBroken(err), errors.Is(err, net.ErrClosed), errors.Is(err, rueidis.ErrClosing):
		if target.tls == nil {
			return "the connection was closed", "if this goes on and the server wants TLS, write rediss:// instead of redis://"
		}
		return "the connection was closed", ""
	}
	var at *net.OpError
	if errors.As(err, &at) {
		err = at.Err
	}
	return oneLine(err), ""
}

// isBroken reports an error of a connection that the other side has closed.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// oneLine is the text of an error in a message.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
