//! What must hold whatever bytes come in: the bodies of the fuzz targets.
//!
//! Each takes any bytes and panics when a promise is broken. `tests/fuzz` runs them under libFuzzer, and
//! an ordinary test runs them over the corpus that is kept there.

mod bank_answer;
mod create;
mod fault_profile;
mod record;
mod segment;

pub use bank_answer::bank_answer;
pub use create::create;
pub use fault_profile::fault_profile;
pub use record::record;
pub use segment::segment;

/// A check of one input.
pub type Check = fn(&[u8]);

/// Every target with its name, which is that of its corpus too.
pub const TARGETS: [(&str, Check); 5] = [
    ("record", record),
    ("create", create),
    ("bank_answer", bank_answer),
    ("fault_profile", fault_profile),
    ("segment", segment),
];

/// Parts a message into its head, line by line, and what follows the first empty line. Lines end with
/// `\n` alone, so that a header's value may hold a `\r`.
fn head_and_body(input: &[u8]) -> (impl Iterator<Item = &[u8]>, &[u8]) {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((input, &[][..]), |end| (&input[..end], &input[end + 2..]));
    (head.split(|byte| *byte == b'\n'), body)
}

/// The header in a line `name: value`, if it may stand in a message at all.
fn header(line: &[u8]) -> Option<(http::HeaderName, http::HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = http::HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = http::HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}
