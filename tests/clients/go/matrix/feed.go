package matrix

import (
	"context"
	"slices"
	"sync"
)

// feedRoom is how many reads may wait in a feed: more than any case makes.
const feedRoom = 10_000

// Feed is what a group member's own goroutine learns, for the case to look at: most of Member.
type Feed struct {
	records  chan []Record
	ended    chan struct{}
	lock     sync.Mutex
	assigned map[int32]bool
	lost     int
	failed   error
}

// NewFeed is empty.
func NewFeed() *Feed {
	return &Feed{records: make(chan []Record, feedRoom), ended: make(chan struct{}), assigned: map[int32]bool{}}
}

// Give records to whoever reads.
func (f *Feed) Give(records []Record) {
	if len(records) > 0 {
		f.records <- records
	}
}

// Took adds partitions to what is assigned.
func (f *Feed) Took(partitions []int32) {
	f.lock.Lock()
	defer f.lock.Unlock()
	for _, partition := range partitions {
		f.assigned[partition] = true
	}
}

// Gave takes partitions from what is assigned.
func (f *Feed) Gave(partitions []int32) {
	f.lock.Lock()
	defer f.lock.Unlock()
	for _, partition := range partitions {
		if f.assigned[partition] {
			f.lost++
			delete(f.assigned, partition)
		}
	}
}

// Fail notes the first error that ends the member.
func (f *Feed) Fail(err error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.failed == nil {
		f.failed = err
		close(f.ended)
	}
}

// Assigned implements Member.
func (f *Feed) Assigned() []int32 {
	f.lock.Lock()
	defer f.lock.Unlock()
	all := make([]int32, 0, len(f.assigned))
	for partition := range f.assigned {
		all = append(all, partition)
	}
	slices.Sort(all)
	return all
}

// Lost implements Member.
func (f *Feed) Lost() int {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.lost
}

// Failed implements Member.
func (f *Feed) Failed() error {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.failed
}

// Read implements Member.
func (f *Feed) Read(ctx context.Context) ([]Record, error) {
	select {
	case records := <-f.records:
		return records, nil
	case <-f.ended:
		return nil, f.Failed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
