//! `ApiVersions`, 0 to 3: which APIs there are, and in which versions.

use bytebuf::ByteBuf;
use bytes::BufMut;

use super::Api;
use super::code::Code;
use crate::wire::{Malformed, Reader, Write};

pub(crate) fn read(r: &mut Reader<'_>, version: i16) -> Result<(), Malformed> {
    if version >= 3 {
        r.tags()?; // those of the header, which is flexible here
        r.compact_string()?; // the name of the client's software
        r.compact_string()?; // its version
        r.tags()?;
    }
    Ok(())
}

pub(crate) fn write(out: &mut ByteBuf, version: i16, code: Code) {
    let put_versions = |out: &mut ByteBuf, api: Api| {
        let (first, last) = api.versions();
        out.put_i16(api.key());
        out.put_i16(first);
        out.put_i16(last);
    };
    out.put_i16(code.0);
    if version < 3 {
        out.put_array(Api::ALL.into_iter(), put_versions);
    } else {
        // A compact array: the count and one, as a varint of one byte.
        out.put_u8(Api::ALL.len() as u8 + 1);
        for api in Api::ALL {
            put_versions(out, api);
            out.put_u8(0); // no tags
        }
    }
    if version >= 1 {
        out.put_i32(0); // not throttled
    }
    if version >= 3 {
        out.put_u8(0); // no tags
    }
}
