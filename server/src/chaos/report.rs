//! The page that shows what happened in a world: a sequence picture, the history of each key, the plan.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holdfast_simulator::chaos::{Line, Look, Plan, Setup, Track};

use super::runner::Wrong;
use super::say;
use crate::api::{escape, page};

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

/// The page around it is set in this. Whatever is long goes on in the next line.
const STYLE: &str = "<style>main{max-width:1200px}svg{display:block;width:100%;height:auto}\
    .verdict{border-left:6px solid #d03030;padding:.2em 1em}.fine{border-left-color:#2a9d5c}\
    p,pre,code,td{overflow-wrap:anywhere}pre{white-space:pre-wrap}\
    td{padding-right:1.5em}td:not(:last-child){white-space:nowrap;overflow-wrap:normal}</style>";

/// The page.
pub(super) fn render(setup: &Setup, wrong: Option<&Wrong>, lines: &[Line]) -> String {
    let mut body = String::from(STYLE);
    body.push_str(&verdict(setup, wrong));
    body.push_str(
        "<h2>What happened</h2><p>Time runs downwards; each row is one thing that happened. Orange: written, \
         and not yet safe from a crash. Green: durable. Red bands: the process or its disk gave way.</p>",
    );
    body.push_str(&picture(lines, wrong));
    body.push_str(&histories(wrong.and_then(Wrong::key), lines));
    body.push_str(&plan(setup));
    page(&format!("Chaos, seed {}", setup.seed), &body)
}

fn verdict(setup: &Setup, wrong: Option<&Wrong>) -> String {
    let said = match wrong {
        None => "<div class=\"verdict fine\"><p>Everything held in this world.</p>".to_owned(),
        Some(Wrong::Panic(text)) => format!(
            "<div class=\"verdict\"><p><b>A part of the service panicked.</b></p><pre>{}</pre>",
            escape(text)
        ),
        Some(Wrong::Violation(violation)) => {
            let key = violation.key.map_or_else(
                || "the world as a whole".to_owned(),
                |key| format!("the payment under key-{key}"),
            );
            format!(
                "<div class=\"verdict\"><p><b>What must hold: {}.</b></p><p>It did not, for {key}, after \
                 {} ms of virtual time. Seen was: {}.</p>",
                escape(violation.invariant.text()),
                violation.at_ms,
                escape(&violation.detail)
            )
        }
    };
    let planted = setup.sabotage.map_or_else(String::new, |sabotage| {
        format!(
            "<p>A bug was planted to see whether it is found: {}.</p>",
            escape(sabotage.description())
        )
    });
    let mask = &setup.mask;
    let smaller = if wrong.is_some() && (!mask.keys.is_empty() || !mask.operations.is_empty()) {
        "<p>Keys and operations are left out of this world to make it small. It is another world by that, and the first \
         payment to break may be another than in the whole one.</p>"
    } else {
        ""
    };
    format!(
        "{said}{planted}{smaller}<p>See it again: <code>{}</code></p></div>",
        escape(&say::command(setup.seed, setup))
    )
}

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

/// What each key became and what its clients were told, the failing one first.
fn histories(key: Option<u32>, lines: &[Line]) -> String {
    let mut keys: BTreeMap<u32, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        if let (Some(key), Track::Store | Track::Service) = (line.key, line.track) {
            keys.entry(key).or_default().push(line);
        }
    }
    let mut html = String::from("<h2>The history of each key</h2>");
    let failing = key.and_then(|key| keys.remove_entry(&key));
    for (number, lines) in failing.into_iter().chain(keys) {
        let open = if Some(number) == key { " open" } else { "" };
        let _ = write!(
            html,
            "<details{open}><summary>key-{number}</summary><table>"
        );
        for line in lines {
            let _ = write!(
                html,
                "<tr><td>{} ms</td><td>{}</td><td>{}</td></tr>",
                line.at_ms,
                line.track.name(),
                escape(&line.text)
            );
        }
        html.push_str("</table></details>");
    }
    html
}

fn plan(setup: &Setup) -> String {
    let plan = Plan::draw(setup.seed, setup.scenario).masked(&setup.mask);
    let mut html = format!(
        "<h2>The plan</h2><p>Scenario {}: {}.</p><table>",
        setup.scenario.name(),
        setup.scenario.description()
    );
    for (name, value) in plan.facts() {
        let _ = write!(html, "<tr><td>{name}</td><td>{}</td></tr>", escape(&value));
    }
    html.push_str("</table><details><summary>What everyone wants</summary><table>");
    for operation in &plan.operations {
        let _ = write!(
            html,
            "<tr><td>operation {}</td><td>{} ms</td><td>{}</td><td>{}</td></tr>",
            operation.id,
            operation.at_ms,
            escape(&format!(
                "key-{}: {}",
                operation.action.key(),
                operation.action
            )),
            escape(&operation.policy.to_string())
        );
    }
    html.push_str("</table></details>");
    html
}

#[cfg(test)]
mod tests {
    use holdfast_simulator::chaos::{Sabotage, Scenario};

    use super::super::door::RealFrontDoor;
    use super::super::runner::{keep_panics, run_one};
    use super::*;

    /// The page of the first world that fails with this bug.
    fn failing(sabotage: Sabotage, scenario: Scenario) -> (Setup, Wrong, Vec<Line>) {
        keep_panics();
        for seed in 0..500 {
            let setup = Setup {
                seed,
                scenario,
                sabotage: Some(sabotage),
                ..Setup::default()
            };
            if let (Some(outcome), Some(wrong)) = run_one(&setup, &RealFrontDoor::new(), true) {
                return (setup, wrong, outcome.lines);
            }
        }
        panic!("{} is found", sabotage.name());
    }

    /// What a reader sees of a page, without what tags hold.
    fn text_of(html: &str) -> String {
        let (_, body) = html.split_once("<body>").unwrap();
        let mut text = String::new();
        for part in body.split('<') {
            let Some((tag, after)) = part.split_once('>') else {
                continue;
            };
            if !tag.starts_with("style") {
                text.push_str(after);
                text.push('\n');
            }
        }
        text
    }

    /// What looks like a value as a program prints it: a name in camel case, a struct, a tuple.
    fn debug_text(text: &str) -> Option<String> {
        let words = text.split(|character: char| character.is_whitespace() || character == '\n');
        let camel = |word: &&str| {
            let letters: Vec<char> = word.chars().collect();
            let turns = |two: &[char]| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase();
            let holds = |three: &[char]| three[0].is_alphanumeric() && three[1] == '(';
            letters.windows(2).any(|two| turns(two) || holds(two))
        };
        let named = [
            "None", "Some", "Keyed", "Neither", "Synced", "Lost", "Torn", "Whole", "{",
        ];
        words
            .clone()
            .find(camel)
            .or_else(|| words.clone().find(|word| named.contains(word)))
            .map(str::to_owned)
    }

    #[test]
    fn nothing_on_the_page_is_text_of_the_program() {
        // A fault of each kind, and violations of several.
        for (sabotage, scenario) in [
            (Sabotage::TimeoutIsFailure, Scenario::Swarm),
            (Sabotage::PostedTwice, Scenario::SlowDisk),
            (Sabotage::HoldNotVoided, Scenario::CrashStorm),
            (Sabotage::DirtyRead, Scenario::Swarm),
            (Sabotage::ClockTrusted, Scenario::Swarm),
        ] {
            let (setup, wrong, lines) = failing(sabotage, scenario);
            let page = render(&setup, Some(&wrong), &lines);
            let text = text_of(&page);
            assert_eq!(debug_text(&text), None, "{}", sabotage.name());
        }
        for seen in ["Mode: Keyed", "SyncFails, 3", "at Some(3)", "x { y"] {
            assert!(debug_text(seen).is_some(), "{seen} is recognized");
        }
    }

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
