//! Where HTTP/2 frames begin and end in what a client sends. A frame is kept whole until its last
//! byte has come, and nobody else counts those bytes. Knows lengths, never contents.

/// The client's preface, which is no frame.
const PREFACE_BYTES: u32 = 24;
/// Head of a frame; its first three bytes are the length of what follows.
const HEAD_BYTES: u8 = 9;
/// Every server has to take frames up to this (RFC 9113, section 4.2).
const SMALL_MAX: u32 = 16 << 10;

/// Follows one connection from its first byte.
#[derive(Debug)]
pub(super) struct FrameBounds {
    head_read: u8,
    length: u32,
    /// Bytes of the frame at hand, or of the preface, that have not come.
    left: u32,
}

impl FrameBounds {
    /// At the beginning of a connection.
    pub(super) fn new() -> Self {
        Self { head_read: 0, length: 0, left: PREFACE_BYTES }
    }

    /// Passes over what was read; returns whether a frame ended in it.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> bool {
        let mut has_ended = false;
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let count = bytes.len().min(self.left as usize);
                self.left -= count as u32;
                has_ended |= self.left == 0;
                bytes = &bytes[count..];
                continue;
            }
            if self.head_read == 0 {
                self.length = 0;
            }
            if self.head_read < 3 {
                self.length = self.length << 8 | u32::from(*first);
            }
            self.head_read += 1;
            if self.head_read == HEAD_BYTES {
                (self.left, self.head_read) = (self.length, 0);
            }
            bytes = rest;
        }
        has_ended
    }

    /// Whether a frame has begun that is larger than every server has to take.
    pub(super) fn is_in_large_frame(&self) -> bool {
        self.left > 0 && self.length > SMALL_MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cuts_do_not_change_where_frames_end(lengths in prop::collection::vec(0..40_000_u32, 1..5), cut in 1..50_000_usize) {
            let mut bytes = vec![7; PREFACE_BYTES as usize];
            for length in &lengths {
                bytes.extend(&length.to_be_bytes()[1..]);
                bytes.extend([9; 6]);
                bytes.resize(bytes.len() + *length as usize, 9);
            }
            let mut bounds = FrameBounds::new();
            for chunk in bytes.chunks(cut) {
                bounds.pass(chunk);
            }
            prop_assert!(bounds.left == 0 && bounds.head_read == 0);
            bounds.pass(&[0, 0x40, 1, 0, 0, 0, 0, 0, 1]);
            prop_assert!(bounds.is_in_large_frame());
        }
    }
}
