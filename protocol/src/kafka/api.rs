//! The one table of what is spoken: which APIs, in which versions, in which form.
use super::wire::Version;

macro_rules! apis {
    ($($(#[$about:meta])* $name:ident = $key:literal,
        $min:literal..=$max:literal, flexible from $flexible:literal;)*) => {
        /// An API of the Kafka protocol.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ApiKey {
            $($(#[$about])* $name,)*
        }

        /// Everything that is spoken, in the order of the keys' declaration.
        pub const APIS: &[Api] = &[$(Api {
            key: ApiKey::$name,
            number: $key,
            min_version: $min,
            max_version: $max,
            flexible_from: $flexible,
        },)*];

        impl ApiKey {
            /// What the table says of this API.
            #[must_use]
            pub const fn api(self) -> Api {
                match self {
                    $(Self::$name => Api {
                        key: Self::$name,
                        number: $key,
                        min_version: $min,
                        max_version: $max,
                        flexible_from: $flexible,
                    },)*
                }
            }

            /// The API with this number on the wire.
            #[must_use]
            pub const fn from_number(number: i16) -> Option<Self> {
                match number {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

apis! {
    /// Record batches to append. Versions below 3 carry older record formats and are to be
    /// refused, but they must be in the table: without, librdkafka below 2.11.1 stops compressing.
    Produce = 0, 0..=11, flexible from 9;
    /// Record batches from an offset on.
    Fetch = 1, 4..=16, flexible from 12;
    /// Offsets by time.
    ListOffsets = 2, 1..=10, flexible from 6;
    /// Brokers, topics, leaders.
    Metadata = 3, 0..=12, flexible from 9;
    /// A group's progress.
    OffsetCommit = 8, 2..=9, flexible from 8;
    /// What a group committed.
    OffsetFetch = 9, 1..=9, flexible from 6;
    /// Which broker keeps a group.
    FindCoordinator = 10, 0..=6, flexible from 3;
    /// Becoming a member of a group.
    JoinGroup = 11, 0..=9, flexible from 6;
    /// A member's sign of life.
    Heartbeat = 12, 0..=4, flexible from 4;
    /// Members that go.
    LeaveGroup = 13, 0..=5, flexible from 4;
    /// A member's assignment.
    SyncGroup = 14, 0..=5, flexible from 4;
    /// The state and the members of groups.
    DescribeGroups = 15, 0..=6, flexible from 5;
    /// All groups.
    ListGroups = 16, 0..=5, flexible from 3;
    /// This table.
    ApiVersions = 18, 0..=4, flexible from 3;
    /// New topics.
    CreateTopics = 19, 2..=7, flexible from 5;
    /// Topics that go.
    DeleteTopics = 20, 1..=6, flexible from 4;
    /// Records that go, up to an offset.
    DeleteRecords = 21, 0..=2, flexible from 2;
    /// An id for an idempotent producer.
    InitProducerId = 22, 0..=4, flexible from 2;
    /// Where a leader's epoch ended.
    OffsetForLeaderEpoch = 23, 2..=4, flexible from 4;
    /// Settings, and where they come from.
    DescribeConfigs = 32, 1..=4, flexible from 4;
    /// All settings of a topic at once.
    AlterConfigs = 33, 0..=2, flexible from 2;
    /// What partitions take on disk.
    DescribeLogDirs = 35, 1..=4, flexible from 2;
    /// More partitions for a topic.
    CreatePartitions = 37, 0..=3, flexible from 2;
    /// Groups that go.
    DeleteGroups = 42, 0..=2, flexible from 2;
    /// Some settings of a topic.
    IncrementalAlterConfigs = 44, 0..=1, flexible from 1;
    /// Offsets of a group that are to be forgotten.
    OffsetDelete = 47, 0..=0, flexible from 1;
    /// Brokers and the controller.
    DescribeCluster = 60, 0..=2, flexible from 0;
    /// Who produced to a partition lately.
    DescribeProducers = 61, 0..=0, flexible from 0;
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// Which API.
    pub key: ApiKey,
    /// Its number on the wire.
    pub number: i16,
    /// The lowest version that is understood.
    pub min_version: i16,
    /// The highest version that is understood.
    pub max_version: i16,
    /// The first version with compact lengths and tagged fields (KIP-482).
    pub flexible_from: i16,
}

impl Api {
    /// How this version is written, or `None` when it is not understood.
    #[must_use]
    pub fn version(&self, number: i16) -> Option<Version> {
        (self.min_version..=self.max_version)
            .contains(&number)
            .then_some(Version { number, flexible: number >= self.flexible_from })
    }
}
