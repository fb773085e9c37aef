//! `JoinGroup` 0 to 5, `SyncGroup` and Heartbeat 0 to 3, `LeaveGroup` 0 to 1: consumer groups.

use bytebuf::{ByteBuf, ByteView};
use bytes::BufMut;

use super::code::Code;
use crate::wire::{Malformed, Reader, Write};

#[derive(Debug)]
pub(crate) struct Join<'f> {
    pub(crate) group: &'f str,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    /// Empty when the client joins for the first time.
    pub(crate) member: &'f str,
    /// The name of a static member, which a restarted client gives again.
    pub(crate) instance: Option<&'f str>,
    pub(crate) protocol_type: &'f str,
    /// Names and metadata of the protocols that the client speaks, the preferred one first.
    pub(crate) protocols: Vec<(&'f str, &'f [u8])>,
    /// Whether a new member must come back with the id that it is given.
    pub(crate) id_first: bool,
}

impl<'f> Join<'f> {
    pub(crate) fn read(r: &mut Reader<'f>, version: i16) -> Result<Self, Malformed> {
        let group = r.string()?;
        let session_timeout_ms = r.i32()?;
        let rebalance_timeout_ms = if version >= 1 { r.i32()? } else { session_timeout_ms };
        let member = r.string()?;
        let instance = if version >= 5 { r.nullable_string()? } else { None };
        let protocol_type = r.string()?;
        let protocols = r.array(6, |r| Ok((r.string()?, r.bytes()?)))?;
        Ok(Self {
            group,
            session_timeout_ms,
            rebalance_timeout_ms,
            member,
            instance,
            protocol_type,
            protocols,
            id_first: version >= 4,
        })
    }
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    pub(crate) metadata: ByteView,
}

/// A generation that a member belongs to, or why it belongs to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) code: Code,
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member: String,
    /// All of them for the leader, none for the others.
    pub(crate) members: Vec<Member>,
}

impl Joined {
    pub(crate) fn refused(code: Code, member: &str) -> Self {
        Self {
            code,
            generation: -1,
            protocol: String::new(),
            leader: String::new(),
            member: member.to_owned(),
            members: Vec::new(),
        }
    }
}

pub(crate) fn write_joined(out: &mut ByteBuf, version: i16, joined: &Joined) {
    if version >= 2 {
        out.put_i32(0); // not throttled
    }
    out.put_i16(joined.code.0);
    out.put_i32(joined.generation);
    out.put_string(&joined.protocol);
    out.put_string(&joined.leader);
    out.put_string(&joined.member);
    out.put_array(joined.members.iter(), |out, member| {
        out.put_string(&member.id);
        if version >= 5 {
            out.put_nullable_string(member.instance.as_deref());
        }
        out.put_bytes_field(&member.metadata);
    });
}

/// A member of a generation, as most requests name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'f> {
    pub(crate) group: &'f str,
    pub(crate) generation: i32,
    pub(crate) member: &'f str,
    /// The name of a static member, where the request has space for it.
    pub(crate) instance: Option<&'f str>,
}

impl<'f> Identity<'f> {
    pub(crate) fn read(r: &mut Reader<'f>) -> Result<Self, Malformed> {
        let (group, generation, member) = (r.string()?, r.i32()?, r.string()?);
        Ok(Self { group, generation, member, instance: None })
    }

    /// As sync and heartbeat requests have it: with the instance, from version 3 on.
    fn read_with_instance(r: &mut Reader<'f>, version: i16) -> Result<Self, Malformed> {
        let who = Self::read(r)?;
        let instance = if version >= 3 { r.nullable_string()? } else { None };
        Ok(Self { instance, ..who })
    }
}

#[derive(Debug)]
pub(crate) struct Sync<'f> {
    pub(crate) who: Identity<'f>,
    /// From the leader: what each member is assigned.
    pub(crate) assignments: Vec<(&'f str, &'f [u8])>,
}

impl<'f> Sync<'f> {
    pub(crate) fn read(r: &mut Reader<'f>, version: i16) -> Result<Self, Malformed> {
        let who = Identity::read_with_instance(r, version)?;
        let assignments = r.array(6, |r| Ok((r.string()?, r.bytes()?)))?;
        Ok(Self { who, assignments })
    }
}

pub(crate) fn write_synced(out: &mut ByteBuf, version: i16, assigned: &Result<ByteView, Code>) {
    write_code(out, version, assigned.as_ref().err().copied().unwrap_or(Code::NONE));
    out.put_bytes_field(assigned.as_deref().unwrap_or_default());
}

#[derive(Debug)]
pub(crate) struct Heartbeat<'f> {
    pub(crate) who: Identity<'f>,
}

impl<'f> Heartbeat<'f> {
    pub(crate) fn read(r: &mut Reader<'f>, version: i16) -> Result<Self, Malformed> {
        Ok(Self { who: Identity::read_with_instance(r, version)? })
    }
}

#[derive(Debug)]
pub(crate) struct Leave<'f> {
    pub(crate) group: &'f str,
    pub(crate) member: &'f str,
}

impl<'f> Leave<'f> {
    pub(crate) fn read(r: &mut Reader<'f>) -> Result<Self, Malformed> {
        Ok(Self { group: r.string()?, member: r.string()? })
    }
}

/// The response to a heartbeat and to leaving, and the front of that to a sync.
pub(crate) fn write_code(out: &mut ByteBuf, version: i16, code: Code) {
    if version >= 1 {
        out.put_i32(0); // not throttled
    }
    out.put_i16(code.0);
}
