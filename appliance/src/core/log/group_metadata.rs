//! What of a group survives a restart.
use bytes::{BufMut, Bytes, BytesMut};

use super::bytes_codec::{CodecError, Reader, len_u32, put_sized};

/// A group at the beginning of a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The group.
    pub group: String,
    /// Its generation.
    pub generation: i32,
    /// What its members are to each other, `consumer` mostly; empty when it has none.
    pub protocol_type: String,
    /// The way of assigning; empty when it has none.
    pub protocol: String,
    /// The member that assigned; empty when there is none.
    pub leader: String,
    /// When this was so, in milliseconds since 1970.
    pub stored_ms: i64,
    /// Its members.
    pub members: Vec<MemberMetadata>,
}

/// A member of that generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberMetadata {
    /// Its id.
    pub id: String,
    /// Its static id.
    pub instance_id: Option<String>,
    /// The client's name for itself.
    pub client_id: String,
    /// Where it is.
    pub client_host: String,
    /// In milliseconds.
    pub session_timeout_ms: i64,
    /// In milliseconds.
    pub rebalance_timeout_ms: i64,
    /// What it subscribes to, in the words of the protocol.
    pub subscription: Bytes,
    /// What it is to do.
    pub assignment: Bytes,
}

impl GroupMetadata {
    /// Not fewer than the bytes of [`GroupMetadata::encode`].
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        const FIXED: usize = 64;
        let words = self.group.len() + self.protocol_type.len() + self.protocol.len();
        let members = self.members.iter().map(|member| {
            let names = member.id.len() + member.client_id.len() + member.client_host.len();
            let instance_id = member.instance_id.as_ref().map_or(0, String::len);
            FIXED + names + instance_id + member.subscription.len() + member.assignment.len()
        });
        FIXED + words + self.leader.len() + members.sum::<usize>()
    }

    /// Writes it behind `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        put_sized(out, self.group.as_bytes());
        out.put_i32(self.generation);
        put_sized(out, self.protocol_type.as_bytes());
        put_sized(out, self.protocol.as_bytes());
        put_sized(out, self.leader.as_bytes());
        out.put_i64(self.stored_ms);
        out.put_u32(len_u32(self.members.len()));
        for member in &self.members {
            member.encode(out);
        }
    }

    /// Reads it. It lives for longer than what it is read from, and so shares nothing with it.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode(reader: &mut Reader) -> Result<Self, CodecError> {
        let mut read = Self {
            group: reader.text("group")?,
            generation: reader.i32()?,
            protocol_type: reader.text("protocol type")?,
            protocol: reader.text("protocol")?,
            leader: reader.text("leader")?,
            stored_ms: reader.i64()?,
            members: Vec::new(),
        };
        for _ in 0..reader.u32()? {
            read.members.push(MemberMetadata::decode(reader)?);
        }
        Ok(read)
    }
}

impl MemberMetadata {
    fn encode(&self, out: &mut BytesMut) {
        put_sized(out, self.id.as_bytes());
        out.put_u8(self.instance_id.is_some().into());
        put_sized(out, self.instance_id.as_deref().unwrap_or_default().as_bytes());
        put_sized(out, self.client_id.as_bytes());
        put_sized(out, self.client_host.as_bytes());
        out.put_i64(self.session_timeout_ms);
        out.put_i64(self.rebalance_timeout_ms);
        put_sized(out, &self.subscription);
        put_sized(out, &self.assignment);
    }

    fn decode(reader: &mut Reader) -> Result<Self, CodecError> {
        Ok(Self {
            id: reader.text("member")?,
            instance_id: {
                let is_static = reader.u8()? != 0;
                let instance_id = reader.text("group instance id")?;
                is_static.then_some(instance_id)
            },
            client_id: reader.text("client id")?,
            client_host: reader.text("client host")?,
            session_timeout_ms: reader.i64()?,
            rebalance_timeout_ms: reader.i64()?,
            subscription: Bytes::copy_from_slice(&reader.sized()?),
            assignment: Bytes::copy_from_slice(&reader.sized()?),
        })
    }
}
