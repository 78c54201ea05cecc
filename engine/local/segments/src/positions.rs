//! Where frames begin: some of them, so that the others are found near them.

use std::collections::BTreeMap;

/// Two known positions are at least so many bytes apart: a log of 10 GiB has at most 330,000 of them, some 10 MiB.
const STRIDE_BYTES: u64 = 32 * 1024;

/// Known positions of frames. They only make a search shorter: what is read there is checked like everything else.
pub(crate) struct Positions(BTreeMap<Key, u64>);

/// The first entry of the segment, and of the frame: in this order positions follow each other as in the log.
type Key = (u64, u64);

impl Positions {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Notes that the frame that begins with an entry is at an offset in a segment, unless one near it is known.
    pub(crate) fn note(&mut self, segment: u64, first: u64, offset: u64) {
        let (before, behind) = self.around(segment, first);
        let is_near = before.is_some_and(|before| offset < before + STRIDE_BYTES)
            || behind.is_some_and(|behind| behind < offset + STRIDE_BYTES);
        if !is_near {
            self.0.insert((segment, first), offset);
        }
    }

    /// The known positions in a segment between which a frame with an entry begins: at or before it, and behind it.
    pub(crate) fn around(&self, segment: u64, sequence: u64) -> (Option<u64>, Option<u64>) {
        let before = self.0.range((segment, 0)..=(segment, sequence));
        let behind = self
            .0
            .range((segment, sequence.saturating_add(1))..=(segment, u64::MAX));
        let offset = |(_, offset): (&Key, &u64)| *offset;
        (before.last().map(offset), { behind }.next().map(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_a_stride_apart_and_lead_to_what_is_between() {
        let mut positions = Positions::new();
        for n in 0..1_000_u64 {
            // In no order.
            let n = n * 7_919 % 1_000;
            positions.note(1, 1 + n * 10, 128 + n * 1_000);
        }
        positions.note(5_000, 5_000, 128);
        let all: Vec<u64> = positions
            .0
            .range(..(2, 0))
            .map(|(_, offset)| *offset)
            .collect();
        assert!(all.len() > 10, "{all:?}");
        for pair in all.windows(2) {
            assert!(pair[1] - pair[0] >= STRIDE_BYTES, "{all:?}");
        }
        for sequence in [1, 9, 4_711, 9_990, 20_000] {
            let (before, behind) = positions.around(1, sequence);
            let offset = 128 + (sequence - 1) / 10 * 1_000;
            assert!(before.unwrap() <= offset);
            assert!(behind.is_none_or(|behind| behind > offset));
        }
        assert_eq!(positions.around(5_000, 4_000), (None, Some(128)));
        assert_eq!(positions.around(7_000, 7_000), (None, None));
    }
}
