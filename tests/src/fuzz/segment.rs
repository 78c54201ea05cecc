//! Whatever a disk may make of a segment of the journal.

use holdfast_segments::frame::Frame;
use holdfast_segments::frames_of;

/// A segment of version 1, with two frames and the proof of the second one.
const WHOLE: &[u8] = include_bytes!("../../../engine/local/segments/tests/golden/v1.segment");

/// The input is a segment; and it is also an offset (2 bytes) and the bytes that a good segment has from there on instead of
/// its own.
///
/// # Panics
/// When damage makes a frame that was never written.
pub fn segment(input: &[u8]) {
    let _ = frames_of(input);
    let Some((offset, damage)) = input.split_first_chunk::<2>() else {
        return;
    };
    let mut damaged = WHOLE.to_vec();
    let offset = usize::from(u16::from_le_bytes(*offset)) % WHOLE.len();
    for (byte, instead) in damaged[offset..].iter_mut().zip(damage) {
        *byte = *instead;
    }
    let (written, _) = frames_of(WHOLE).expect("it is a segment");
    if let Some((found, end)) = frames_of(&damaged) {
        assert!(written.starts_with(&found), "{found:?}");
        let is_whole = |(offset, frame): &(u64, Frame)| {
            let from = usize::try_from(*offset).expect("a small segment");
            let frame = from..from + frame.size();
            damaged[frame.clone()] == WHOLE[frame]
        };
        // What stands whole behind the end is seen, and tells damage from a torn end.
        let stands = written[found.len()..].iter().any(is_whole);
        assert!(end.follows.is_some() || !stands, "{end:?}");
    }
}
