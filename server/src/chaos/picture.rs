//! Draws what happened in a world as a sequence diagram in SVG, with a lane for each side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holdfast_simulator::chaos::{Line, Look, Track};

use super::runner::Wrong;
use crate::web::html::escape;

/// The lanes of the picture, from left to right.
const TRACKS: [Track; 5] = [
    Track::Client,
    Track::Network,
    Track::Service,
    Track::Store,
    Track::Bank,
];

/// Pixels between two lanes, between two rows, between two lines of a row, and before the first of each.
const TRACK_PX: usize = 84;
const ROW_PX: usize = 26;
const LINE_PX: usize = 16;
const LEFT_PX: usize = 90;
const TOP_PX: usize = 50;

/// A screen of 1280 pixels shows all of it, with a scroll bar and the page's margins.
const WIDTH_PX: usize = 1_200;
const LABEL_PX: usize = LEFT_PX + TRACKS.len() * TRACK_PX;

/// Characters of a label's line. The widest of the fonts takes less than 7.5 pixels for one.
const LABEL_CHARS: usize = (WIDTH_PX - LABEL_PX) * 10 / 75;
const WHOLE_LINE_CHARS: usize = (WIDTH_PX - 8) * 10 / 75;

/// More rows than this nobody reads; the last ones tell how it ended.
const ROWS_MAX: usize = 400;

/// The picture is set in this, wherever it stands.
const PICTURE_STYLE: &str = "<style>svg text{font:12px ui-monospace,monospace;fill:#16181d}\
    @media(prefers-color-scheme:dark){svg text{fill:#e8eaee}}\
    svg .lane{stroke:#8888;stroke-dasharray:2 4}svg .flow{stroke:#4a7dd0;fill:none}\
    svg .dot{fill:#4a7dd0}svg .durable{fill:#2a9d5c}svg .unsynced{fill:#e09020}svg .bad{fill:#d03030}\
    svg .band{fill:#d03030;opacity:.18}svg .calm{fill:#2a9d5c;opacity:.15}</style>";

/// What the picture shows: everything about the key, and what happened to the world.
fn shown(key: Option<u32>, lines: &[Line]) -> Vec<&Line> {
    let about = |line: &&Line| key.is_none() || line.key == key || line.key.is_none();
    let rows: Vec<&Line> = lines.iter().filter(about).collect();
    rows[rows.len().saturating_sub(ROWS_MAX)..].to_vec()
}

fn track_x(track: Track) -> Option<usize> {
    let place = TRACKS.iter().position(|known| *known == track)?;
    Some(LEFT_PX + place * TRACK_PX + TRACK_PX / 2)
}

/// Text in lines of at most so many characters: broken between words, and within one only where it is longer itself.
fn wrapped(text: &str, chars_max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut chars = 0;
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        for (n, part) in word.chunks(chars_max).enumerate() {
            let gap = usize::from(chars > 0 && n == 0);
            if n > 0 || chars + gap + part.len() > chars_max {
                lines.push(String::new());
                chars = 0;
            } else if gap > 0 {
                lines.last_mut().expect("there is a first one").push(' ');
                chars += 1;
            }
            lines.last_mut().expect("there is a first one").extend(part);
            chars += part.len();
        }
    }
    lines
}

/// Draws lines of text, the first at this height.
fn draw_text(svg: &mut String, x: usize, y: usize, lines: &[String]) {
    for (n, line) in lines.iter().enumerate() {
        let y = y + 4 + n * LINE_PX;
        let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\">{}</text>", escape(line));
    }
}

const fn row_px(lines: usize) -> usize {
    ROW_PX + lines.saturating_sub(1) * LINE_PX
}

/// What happened as a picture: an SVG document of its own.
pub(super) fn picture(lines: &[Line], wrong: Option<&Wrong>) -> String {
    let mut rows = String::new();
    let mut y = TOP_PX;
    let mut last_ms = None;
    let mut from: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for line in shown(wrong.and_then(Wrong::key), lines) {
        if last_ms != Some(line.at_ms) {
            draw_text(&mut rows, 4, y, &[format!("{} ms", line.at_ms)]);
            last_ms = Some(line.at_ms);
        }
        y += draw_row(&mut rows, line, y, &mut from);
    }
    if let Some(Wrong::Violation(violation)) = wrong {
        let text = format!(
            "{} ms  VIOLATED: {}",
            violation.at_ms,
            violation.invariant.text()
        );
        let text = wrapped(&text, WHOLE_LINE_CHARS);
        let height = row_px(text.len());
        draw_band(&mut rows, "band", y, height);
        draw_text(&mut rows, 4, y, &text);
        y += height;
    }
    let height = y + ROW_PX;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH_PX} {height}\" role=\"img\" aria-label=\"Sequence of events\">{PICTURE_STYLE}"
    );
    for track in TRACKS {
        let (x, name) = (track_x(track).unwrap_or(LEFT_PX), track.name());
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"24\" text-anchor=\"middle\" font-weight=\"bold\">{name}</text>\
             <line class=\"lane\" x1=\"{x}\" y1=\"34\" x2=\"{x}\" y2=\"{height}\"/>"
        );
    }
    svg.push_str(&rows);
    svg.push_str("</svg>");
    svg
}

fn draw_band(svg: &mut String, class: &str, y: usize, height: usize) {
    let _ = write!(
        svg,
        "<rect class=\"{class}\" x=\"0\" y=\"{}\" width=\"{WIDTH_PX}\" height=\"{}\"/>",
        y - 12,
        height - 4
    );
}

/// Draws something that happened, and says how high its row is.
fn draw_row(
    svg: &mut String,
    line: &Line,
    y: usize,
    from: &mut BTreeMap<u32, (usize, usize)>,
) -> usize {
    let key = line
        .key
        .map_or_else(String::new, |key| format!("key-{key}: "));
    let label = wrapped(&format!("{key}{}", line.text), LABEL_CHARS);
    let height = row_px(label.len());
    let gave_way = line.look == Look::GaveWay;
    if gave_way {
        draw_band(svg, "band", y, height);
    } else if line.track == Track::World {
        draw_band(svg, "calm", y, height);
    }
    if let Some(x) = track_x(line.track) {
        let class = match line.look {
            Look::Durable => "dot durable",
            Look::GaveWay => "dot bad",
            Look::Plain if line.track == Track::Store => "dot unsynced",
            Look::Plain => "dot",
        };
        if let Some((before_x, before_y)) = line.key.and_then(|key| from.get(&key)) {
            let _ = write!(
                svg,
                "<path class=\"flow\" d=\"M{before_x} {before_y} L{x} {y}\"/>"
            );
        }
        if let Some(key) = line.key {
            from.insert(key, (x, y));
        }
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>"
        );
    }
    draw_text(svg, LABEL_PX, y, &label);
    height
}

#[cfg(test)]
mod tests {
    use holdfast_simulator::chaos::{Sabotage, Scenario};

    use super::super::example::failing;
    use super::*;

    #[test]
    fn no_line_of_the_picture_is_wider_than_the_picture() {
        let (_, wrong, mut lines) = failing(Sabotage::TimeoutIsFailure, Scenario::Swarm);
        // With what went wrong, only what is about its key is shown.
        lines.truncate(300);
        lines[0].text = "x".repeat(500);
        lines[1].text = "Seen was an eyeful. ".repeat(40);
        let svg = picture(&lines, None) + &picture(&lines, Some(&wrong));
        let mut labels = 0;
        for label in svg.split("<text x=\"").skip(1) {
            let (x, label) = label.split_once('"').unwrap();
            let (_, label) = label.split_once('>').unwrap();
            let (label, _) = label.split_once('<').unwrap();
            let chars = label.replace("&quot;", "\"").chars().count();
            let end = x.parse::<usize>().unwrap() + chars * 75 / 10;
            assert!(end <= WIDTH_PX, "{label}");
            labels += 1;
        }
        assert!(labels > 20);
        // Nothing is left out of what is wrapped.
        assert!(svg.matches('x').count() >= 500);
        assert_eq!(svg.matches("eyeful").count(), 40);
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("one two", 7), ["one two"]);
        assert_eq!(wrapped("one two", 6), ["one", "two"]);
        assert_eq!(
            wrapped("a verylongword b", 5),
            ["a", "veryl", "ongwo", "rd b"]
        );
    }
}
