package matrix

import "context"

// Positions to begin reading at.
const (
	Earliest int64 = -2
	Latest   int64 = -1
)

// Header of a record; names may repeat.
type Header struct {
	Name  string
	Value []byte
}

// Record as produced and as consumed. A nil key or value is null, not empty.
type Record struct {
	Key, Value []byte
	Headers    []Header
	// Timestamp in milliseconds since 1970.
	Timestamp int64
	Partition int32
	// Offset is set where the record was consumed.
	Offset int64
	// Codec of the consumed batch, or empty where the client does not show it.
	Codec string
}

// ProduceOptions of one producer.
type ProduceOptions struct {
	// Codec is none, gzip, snappy, lz4 or zstd.
	Codec string
	// Acks is -1 (all), 1 or 0.
	Acks       int
	Idempotent bool
	// MaxBytes that the client itself lets pass.
	MaxBytes int
	// OneByOne sends each record in a request of its own.
	OneByOne bool
}

// ReadOptions of one reader.
type ReadOptions struct {
	Partition int32
	// Start is an offset, Earliest or Latest.
	Start int64
	// Reset is what to do when the offset is out of range: none, earliest or latest.
	Reset         string
	ReadCommitted bool
}

// MemberOptions of one group member.
type MemberOptions struct {
	Cooperative bool
	// InstanceID makes the member static.
	InstanceID string
}

// Producer sends records.
type Producer interface {
	// Produce waits for the answers: the offset of each record (-1 where acks is 0).
	Produce(ctx context.Context, topic string, records []Record) ([]int64, error)
	Close()
}

// Reader reads one partition without a group.
type Reader interface {
	// Read waits until something is there.
	Read(ctx context.Context) ([]Record, error)
	SeekTo(offset int64) error
	Close()
}

// Member of a consumer group, working from when it is made until it is closed.
type Member interface {
	// Assigned tells the partitions that it has now, ascending.
	Assigned() []int32
	// Lost counts the partitions that were ever taken from it.
	Lost() int
	// Read waits until something is there.
	Read(ctx context.Context) ([]Record, error)
	// Commit takes the offset of the next record to read, by partition.
	Commit(ctx context.Context, offsets map[int32]int64) error
	// Failed tells the error that ended it, if one did.
	Failed() error
	Close()
}

// Topic as a client describes it.
type Topic struct {
	Partitions int
	// Led counts the partitions with a leader, and whose replicas and in-sync replicas are one.
	Led int
}

// Cluster as a client describes it.
type Cluster struct {
	ID string
	// Addresses of the brokers, host:port.
	Addresses []string
	// Controlled is true when the controller is one of the brokers.
	Controlled bool
}

// Config is one setting of a topic.
type Config struct {
	Value string
	// Source by Kafka's name, or empty where the client does not show it.
	Source string
}

// Group as a client describes it.
type Group struct {
	State, ProtocolType, Protocol string
	Members                       int
	// Clients are the members' client ids.
	Clients []string
}

// Client is what a case may ask of a client. Errors are the client's own; NotAvailable stands for
// what the client does not have.
type Client interface {
	Close()
	Producer(options ProduceOptions) (Producer, error)
	Reader(topic string, options ReadOptions) (Reader, error)
	Member(group, topic string, options MemberOptions) (Member, error)

	// Brokers are those that Metadata names, host:port.
	Brokers(ctx context.Context) ([]string, error)
	// Cluster as DescribeCluster tells it, or Metadata where the client has no DescribeCluster.
	Cluster(ctx context.Context) (Cluster, error)
	CreateTopic(ctx context.Context, name string, partitions int, replicas int, configs map[string]string) error
	DeleteTopic(ctx context.Context, name string) error
	ListTopics(ctx context.Context) ([]string, error)
	// DescribeTopic must not create the topic.
	DescribeTopic(ctx context.Context, name string) (Topic, error)
	CreatePartitions(ctx context.Context, topic string, total int) error
	// DeleteRecords answers the new first offset, -1 where the client does not show it.
	DeleteRecords(ctx context.Context, topic string, partition int32, before int64) (int64, error)
	// Offset answers Earliest, Latest, or that of the first record at or after a time; -1 for none.
	Offset(ctx context.Context, topic string, partition int32, at int64) (int64, error)

	TopicConfigs(ctx context.Context, topic string) (map[string]Config, error)
	// SetConfig changes one setting; nil takes it back to its default.
	SetConfig(ctx context.Context, topic, name string, value *string) error
	// ReplaceConfigs sets all settings at once, by the older AlterConfigs.
	ReplaceConfigs(ctx context.Context, topic string, configs map[string]string) error

	ListGroups(ctx context.Context) ([]string, error)
	DescribeGroup(ctx context.Context, group string) (Group, error)
	DeleteGroup(ctx context.Context, group string) error
	// Committed offsets by partition; absent where there is none.
	Committed(ctx context.Context, group, topic string) (map[int32]int64, error)
	DeleteCommitted(ctx context.Context, group, topic string, partition int32) error
}
