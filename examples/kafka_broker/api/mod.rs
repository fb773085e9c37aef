//! The thirteen APIs: parses requests and writes responses, without state or I/O.
//!
//! The broker supports exactly the versions of [`Api::versions`] of each API. None of them is a flexible version, except
//! `ApiVersions` 3, whose response clients need to find the others.

pub(crate) mod code;
pub(crate) mod coordinator;
pub(crate) mod fetch;
pub(crate) mod group;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod versions;

use std::error::Error;
use std::fmt;

use crate::wire::{Malformed, Reader};

/// What is asked for, by the number that the protocol gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::enum_variant_names, reason = "the protocol calls one of them ApiVersions")]
pub(crate) enum Api {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    ApiVersions = 18,
    InitProducerId = 22,
}

impl Api {
    pub(crate) const ALL: [Self; 13] = [
        Self::Produce,
        Self::Fetch,
        Self::ListOffsets,
        Self::Metadata,
        Self::OffsetCommit,
        Self::OffsetFetch,
        Self::FindCoordinator,
        Self::JoinGroup,
        Self::Heartbeat,
        Self::LeaveGroup,
        Self::SyncGroup,
        Self::ApiVersions,
        Self::InitProducerId,
    ];

    pub(crate) fn key(self) -> i16 {
        self as i16
    }

    fn of(key: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.key() == key)
    }

    /// Returns the first and the last supported version. No tested client selects some of the old ones, but librdkafka
    /// derives features from their presence.
    pub(crate) fn versions(self) -> (i16, i16) {
        match self {
            Self::Produce => (0, 7),
            Self::Fetch => (4, 11),
            Self::ListOffsets => (1, 3),
            Self::Metadata | Self::JoinGroup => (0, 5),
            Self::OffsetCommit => (2, 3),
            Self::OffsetFetch => (1, 3),
            Self::FindCoordinator | Self::LeaveGroup | Self::InitProducerId => (0, 1),
            Self::Heartbeat | Self::SyncGroup | Self::ApiVersions => (0, 3),
        }
    }

    fn supports(self, version: i16) -> bool {
        let (first, last) = self.versions();
        (first..=last).contains(&version)
    }
}

/// The header of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) api: Api,
    pub(crate) version: i16,
    /// A number that the response repeats.
    pub(crate) correlation: i32,
}

#[derive(Debug)]
pub(crate) enum Request<'f> {
    Produce(produce::Request),
    Fetch(fetch::Request<'f>),
    ListOffsets(list_offsets::Request<'f>),
    Metadata(metadata::Request<'f>),
    OffsetCommit(offsets::Commit<'f>),
    OffsetFetch(offsets::Fetch<'f>),
    FindCoordinator(coordinator::Find),
    JoinGroup(group::Join<'f>),
    Heartbeat(group::Heartbeat<'f>),
    LeaveGroup(group::Leave<'f>),
    SyncGroup(group::Sync<'f>),
    ApiVersions,
    /// The client sends a newer `ApiVersions`; the error is answered in version 0.
    ApiVersionsUnknown,
    InitProducerId(coordinator::InitProducerId),
}

/// Why a frame is not served. The connection ends with it, as no response fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Refused {
    Malformed(Malformed),
    UnknownApi { key: i16 },
    UnknownVersion { api: Api, version: i16 },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::UnknownApi { key } => write!(f, "there is no API {key}"),
            Self::UnknownVersion { api, version } => {
                let (first, last) = api.versions();
                write!(f, "version {version} of {api:?}, of which {first} to {last} are spoken")
            }
        }
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Malformed(malformed) => Some(malformed),
            _ => None,
        }
    }
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Parses a frame, without the length in front of it.
pub(crate) fn parse(frame: &[u8]) -> Result<(Header, Request<'_>), Refused> {
    let mut reader = Reader::new(frame);
    let (key, version, correlation) = (reader.i16()?, reader.i16()?, reader.i32()?);
    let api = Api::of(key).ok_or(Refused::UnknownApi { key })?;
    let header = Header { api, version, correlation };
    if !api.supports(version) {
        // Whatever follows has a form that only the client knows.
        return match api {
            Api::ApiVersions => Ok((header, Request::ApiVersionsUnknown)),
            _ => Err(Refused::UnknownVersion { api, version }),
        };
    }
    let _client = reader.nullable_string()?;
    let r = &mut reader;
    let request = match api {
        Api::Produce => Request::Produce(produce::Request::read(r, version)?),
        Api::Fetch => Request::Fetch(fetch::Request::read(r, version)?),
        Api::ListOffsets => Request::ListOffsets(list_offsets::Request::read(r, version)?),
        Api::Metadata => Request::Metadata(metadata::Request::read(r, version)?),
        Api::OffsetCommit => Request::OffsetCommit(offsets::Commit::read(r)?),
        Api::OffsetFetch => Request::OffsetFetch(offsets::Fetch::read(r)?),
        Api::FindCoordinator => Request::FindCoordinator(coordinator::Find::read(r, version)?),
        Api::JoinGroup => Request::JoinGroup(group::Join::read(r, version)?),
        Api::Heartbeat => Request::Heartbeat(group::Heartbeat::read(r, version)?),
        Api::LeaveGroup => Request::LeaveGroup(group::Leave::read(r)?),
        Api::SyncGroup => Request::SyncGroup(group::Sync::read(r, version)?),
        Api::ApiVersions => versions::read(r, version).map(|()| Request::ApiVersions)?,
        Api::InitProducerId => Request::InitProducerId(coordinator::InitProducerId::read(r)?),
    };
    reader.end()?;
    Ok((header, request))
}

#[cfg(test)]
mod tests {
    use super::Api;

    #[test]
    fn the_page_lists_the_supported_versions() {
        let page = include_str!("../../../docs/kafka.md");
        for api in Api::ALL {
            let (first, last) = api.versions();
            let cells = format!("| {api:?} | {first}-{last} |");
            assert!(page.contains(&cells), "not in docs/kafka.md: {cells}");
        }
    }
}
