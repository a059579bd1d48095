// Package matrix holds the cases of the clients matrix, written once over the small interface
// that each Go client implements, and the way in which a client's program reports them.
//
// A program is run as `program BOOTSTRAP PREFIX CASE...`. It writes its client's name and then one
// line of JSON for each case to the standard output; everything else goes to the standard error.
package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"
)

// CaseTime is how long a case may take before it counts as failed.
const CaseTime = 60 * time.Second

type result struct {
	Case    string            `json:"case"`
	Outcome string            `json:"outcome"`
	Detail  string            `json:"detail"`
	Seen    map[string]string `json:"seen"`
}

// T is a case while it runs.
type T struct {
	// Ctx ends when the case's time is over.
	Ctx    context.Context
	Client Client
	prefix string
	name   string
	result result
}

// stop is what a case panics with to end early.
type stop struct{ outcome, detail string }

// notAvailable is the error of an operation that a client's API does not have.
type notAvailable struct{ detail string }

func (n notAvailable) Error() string { return n.detail }

// NotAvailable says that the client's API has no such thing.
func NotAvailable(detail string) error { return notAvailable{detail} }

// Available is false when the client has no such thing, which is no failure.
func Available(err error) bool {
	var missing notAvailable
	return !errors.As(err, &missing)
}

// Topic is a topic name for this case alone.
func (t *T) Topic(suffix string) string { return t.prefix + t.name + suffix }

// Group is a consumer group for this case alone.
func (t *T) Group(suffix string) string { return t.prefix + t.name + "-group" + suffix }

// Seen notes an answer that is compared between brokers.
func (t *T) Seen(name string, value any) { t.result.Seen[name] = fmt.Sprint(value) }

// Failf ends the case as failed.
func (t *T) Failf(format string, values ...any) {
	panic(stop{"fail", fmt.Sprintf(format, values...)})
}

// Check ends the case if there is an error: as not applicable where the client has no such thing.
func (t *T) Check(err error, what string) {
	if err == nil {
		return
	}
	if !Available(err) {
		panic(stop{"n/a", err.Error()})
	}
	t.Failf("%s: %s", what, describe(err))
}

// Equal ends the case unless both are the same.
func (t *T) Equal(what string, got, wanted any) {
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Failf("%s: got %v, wanted %v", what, got, wanted)
	}
}

// Refused notes the error code and ends the case unless it is one of the wanted ones.
// A client without such an operation is not asked.
func (t *T) Refused(what string, err error, wanted ...string) {
	if !Available(err) {
		return
	}
	code := CodeOf(err)
	t.Seen(what, code)
	if !slices.Contains(wanted, code) {
		t.Failf("%s: got %s, wanted %v", what, describe(err), wanted)
	}
}

// Until asks again and again, until the answer is true or the case's time is over.
func (t *T) Until(what string, reached func() bool) {
	for !reached() {
		select {
		case <-t.Ctx.Done():
			t.Failf("waited in vain: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func describe(err error) string {
	if err == nil {
		return "no error"
	}
	if code := CodeOf(err); code != "OTHER" {
		return code + " (" + err.Error() + ")"
	}
	return err.Error()
}

// Main runs the cases that the command line names and ends the process.
func Main(name string, connect func(bootstrap string) (Client, error)) {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: program BOOTSTRAP PREFIX CASE...")
		os.Exit(2)
	}
	client, err := connect(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "connect:", err)
		os.Exit(1)
	}
	awaitBroker(client)
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(map[string]string{"client": name})
	for _, wanted := range os.Args[3:] {
		_ = out.Encode(one(client, os.Args[2], wanted))
	}
	client.Close()
	os.Exit(0)
}

// awaitBroker gives a broker that has just started the time to know itself: until then it names no
// brokers in its answers, which some clients keep for a while. If it stays so, the cases will tell.
func awaitBroker(client Client) {
	ctx, cancel := context.WithTimeout(context.Background(), CaseTime/2)
	defer cancel()
	for ctx.Err() == nil {
		if brokers, err := client.Brokers(ctx); err == nil && len(brokers) > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// one runs a case beside its clock, so that a client that hangs does not hold up the others.
func one(client Client, prefix, name string) result {
	ctx, cancel := context.WithTimeout(context.Background(), CaseTime)
	defer cancel()
	done := make(chan result, 1)
	begin := time.Now()
	go func() { done <- guarded(ctx, client, prefix, name) }()
	select {
	case outcome := <-done:
		fmt.Fprintf(os.Stderr, "%s: %s in %d ms\n", name, outcome.Outcome, time.Since(begin).Milliseconds())
		return outcome
	case <-time.After(CaseTime + 5*time.Second):
		return result{name, "fail", "hung for longer than its time", map[string]string{}}
	}
}

func guarded(ctx context.Context, client Client, prefix, name string) (outcome result) {
	t := &T{Ctx: ctx, Client: client, prefix: prefix, name: name}
	t.result = result{name, "pass", "", map[string]string{}}
	run, known := cases[name]
	if !known {
		return result{name, "fail", "unknown case", t.result.Seen}
	}
	defer func() {
		outcome = t.result
		switch end := recover().(type) {
		case nil:
		case stop:
			outcome.Outcome, outcome.Detail = end.outcome, end.detail
		default:
			outcome.Outcome, outcome.Detail = "fail", fmt.Sprintf("panic: %v", end)
			debug.PrintStack()
		}
	}()
	run(t)
	return
}
