//! The error codes that the broker answers.

/// An error code of the protocol, 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Code(pub(crate) i16);

impl Code {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// A bad checksum. Producers send the batch again.
    pub(crate) const CORRUPT_MESSAGE: Self = Self(2);
    pub(crate) const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    pub(crate) const MESSAGE_TOO_LARGE: Self = Self(10);
    pub(crate) const OFFSET_METADATA_TOO_LARGE: Self = Self(12);
    /// Group members ask again.
    pub(crate) const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    pub(crate) const INVALID_TOPIC: Self = Self(17);
    pub(crate) const ILLEGAL_GENERATION: Self = Self(22);
    pub(crate) const INCONSISTENT_GROUP_PROTOCOL: Self = Self(23);
    pub(crate) const INVALID_GROUP_ID: Self = Self(24);
    pub(crate) const UNKNOWN_MEMBER_ID: Self = Self(25);
    pub(crate) const INVALID_SESSION_TIMEOUT: Self = Self(26);
    pub(crate) const REBALANCE_IN_PROGRESS: Self = Self(27);
    pub(crate) const INVALID_COMMIT_OFFSET_SIZE: Self = Self(28);
    pub(crate) const UNSUPPORTED_VERSION: Self = Self(35);
    pub(crate) const INVALID_REQUEST: Self = Self(42);
    pub(crate) const POLICY_VIOLATION: Self = Self(44);
    pub(crate) const UNSUPPORTED_FOR_MESSAGE_FORMAT: Self = Self(43);
    pub(crate) const OUT_OF_ORDER_SEQUENCE_NUMBER: Self = Self(45);
    pub(crate) const DUPLICATE_SEQUENCE_NUMBER: Self = Self(46);
    pub(crate) const INVALID_PRODUCER_EPOCH: Self = Self(47);
    pub(crate) const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Self = Self(53);
    /// The disk is full or failed. Producers send the batch again.
    pub(crate) const KAFKA_STORAGE_ERROR: Self = Self(56);
    pub(crate) const FETCH_SESSION_ID_NOT_FOUND: Self = Self(70);
    pub(crate) const UNKNOWN_LEADER_EPOCH: Self = Self(75);
    pub(crate) const MEMBER_ID_REQUIRED: Self = Self(79);
    pub(crate) const GROUP_MAX_SIZE_REACHED: Self = Self(81);
    /// Another member has taken the place of this static one.
    pub(crate) const FENCED_INSTANCE_ID: Self = Self(82);
    /// A batch of the wrong shape. Producers give up.
    pub(crate) const INVALID_RECORD: Self = Self(87);
}
