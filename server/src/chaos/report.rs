//! The page that shows what happened in a world: a sequence picture, the history of each key, the plan.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holdfast_simulator::chaos::{Lane, Line, Plan, Setup};

use super::runner::Wrong;
use super::say;
use crate::api::{escape, page};

/// The lanes of the picture, from left to right.
const LANES: [(Lane, &str); 5] = [
    (Lane::Client, "client"),
    (Lane::Network, "network"),
    (Lane::Service, "service"),
    (Lane::Store, "store"),
    (Lane::Bank, "bank"),
];

/// Pixels between two lanes, between two rows, and before the first of each.
const LANE_PX: usize = 150;
const ROW_PX: usize = 26;
const LEFT_PX: usize = 110;
const TOP_PX: usize = 50;
const WIDTH_PX: usize = LEFT_PX + LANES.len() * LANE_PX + 760;

/// More rows than this nobody reads; the last ones tell how it ended.
const ROWS_MAX: usize = 400;

/// The picture is set in this, wherever it stands.
const PICTURE_STYLE: &str = "<style>svg text{font:12px ui-monospace,monospace;fill:#16181d}\
    @media(prefers-color-scheme:dark){svg text{fill:#e8eaee}}\
    svg .lane{stroke:#8888;stroke-dasharray:2 4}svg .flow{stroke:#4a7dd0;fill:none}\
    svg .dot{fill:#4a7dd0}svg .durable{fill:#2a9d5c}svg .unsynced{fill:#e09020}svg .bad{fill:#d03030}\
    svg .band{fill:#d03030;opacity:.18}svg .calm{fill:#2a9d5c;opacity:.15}</style>";

/// The page around it is set in this.
const STYLE: &str = "<style>main{max-width:none}svg{width:auto}\
    .wide{overflow-x:auto}.verdict{border-left:6px solid #d03030;padding:.2em 1em}\
    .fine{border-left-color:#2a9d5c}td{vertical-align:top;padding-right:1.5em}</style>";

/// The page.
pub(super) fn render(setup: &Setup, wrong: Option<&Wrong>, lines: &[Line]) -> String {
    let mut body = String::from(STYLE);
    body.push_str(&verdict(setup, wrong));
    body.push_str(
        "<h2>What happened</h2><p>Time runs downwards; each row is one thing that happened. Orange: written, \
         and not yet safe from a crash. Green: durable. Red bands: the process or its disk gave way.</p>",
    );
    let _ = write!(body, "<div class=\"wide\">{}</div>", picture(lines, wrong));
    body.push_str(&histories(failing_key(wrong), lines));
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
    format!(
        "{said}{planted}<p>See it again: <code>{}</code></p></div>",
        escape(&say::command(setup.seed, setup))
    )
}

/// What the picture shows: everything about the key, and what happened to the world.
fn shown(key: Option<u32>, lines: &[Line]) -> Vec<&Line> {
    let about = |line: &&Line| key.is_none() || line.key == key || line.key.is_none();
    let rows: Vec<&Line> = lines.iter().filter(about).collect();
    rows[rows.len().saturating_sub(ROWS_MAX)..].to_vec()
}

fn lane_x(lane: Lane) -> Option<usize> {
    let place = LANES.iter().position(|(known, _)| *known == lane)?;
    Some(LEFT_PX + place * LANE_PX + LANE_PX / 2)
}

fn failing_key(wrong: Option<&Wrong>) -> Option<u32> {
    match wrong {
        Some(Wrong::Violation(violation)) => violation.key,
        Some(Wrong::Panic(_)) | None => None,
    }
}

/// What happened as a picture: an SVG document of its own.
pub(super) fn picture(lines: &[Line], wrong: Option<&Wrong>) -> String {
    let rows = shown(failing_key(wrong), lines);
    let height = TOP_PX + (rows.len() + 2) * ROW_PX;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{height}\" role=\"img\" \
         aria-label=\"Sequence of events\">{PICTURE_STYLE}"
    );
    for (lane, name) in LANES {
        let x = lane_x(lane).unwrap_or(LEFT_PX);
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"24\" text-anchor=\"middle\" font-weight=\"bold\">{name}</text>\
             <line class=\"lane\" x1=\"{x}\" y1=\"34\" x2=\"{x}\" y2=\"{height}\"/>"
        );
    }
    let mut last_ms = None;
    let mut from: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for (row, line) in rows.iter().enumerate() {
        let y = TOP_PX + row * ROW_PX;
        if last_ms != Some(line.at_ms) {
            let _ = write!(
                svg,
                "<text x=\"4\" y=\"{}\">{} ms</text>",
                y + 4,
                line.at_ms
            );
            last_ms = Some(line.at_ms);
        }
        draw_row(&mut svg, line, y, &mut from);
    }
    if let Some(Wrong::Violation(violation)) = wrong {
        let y = TOP_PX + rows.len() * ROW_PX;
        let _ = write!(
            svg,
            "<rect class=\"band\" x=\"0\" y=\"{}\" width=\"{WIDTH_PX}\" height=\"{ROW_PX}\"/>\
             <text x=\"4\" y=\"{}\">{} ms  VIOLATED: {}</text>",
            y - 12,
            y + 4,
            violation.at_ms,
            escape(violation.invariant.text())
        );
    }
    svg.push_str("</svg>");
    svg
}

fn draw_row(svg: &mut String, line: &Line, y: usize, from: &mut BTreeMap<u32, (usize, usize)>) {
    let label_x = LEFT_PX + LANES.len() * LANE_PX;
    let key = line
        .key
        .map_or_else(String::new, |key| format!("key-{key}: "));
    let label = escape(&format!("{key}{}", line.text));
    let gave_way = line.text.starts_with("CRASH")
        || line.text.contains("SyncFails")
        || line.text.contains("NoRoom")
        || line.text.contains("of what was not synced");
    let calm = line.lane == Lane::World && !gave_way;
    if gave_way || calm {
        let class = if gave_way { "band" } else { "calm" };
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"0\" y=\"{}\" width=\"{WIDTH_PX}\" height=\"{}\"/>",
            y - 12,
            ROW_PX - 4
        );
    }
    if let Some(x) = lane_x(line.lane) {
        let class = match line.lane {
            Lane::Store if line.text.starts_with("durable") => "dot durable",
            Lane::Store => "dot unsynced",
            _ if gave_way => "dot bad",
            _ => "dot",
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
    let _ = write!(svg, "<text x=\"{label_x}\" y=\"{}\">{label}</text>", y + 4);
}

/// What each key became and what its clients were told, the failing one first.
fn histories(key: Option<u32>, lines: &[Line]) -> String {
    let mut keys: BTreeMap<u32, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        if let (Some(key), Lane::Store | Lane::Service) = (line.key, line.lane) {
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
            let lane = if line.lane == Lane::Store {
                "store"
            } else {
                "service"
            };
            let _ = write!(
                html,
                "<tr><td>{} ms</td><td>{lane}</td><td>{}</td></tr>",
                line.at_ms,
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
    let families: Vec<&str> = plan.families.iter().map(|family| family.name()).collect();
    let facts = [
        ("families of faults", families.join(", ")),
        ("network", format!("{:?}", plan.network)),
        ("bank", format!("{:?}, {:?}", plan.mode, plan.bank)),
        ("disk", format!("{:?}", plan.medium)),
        ("crashes", format!("{:?}", plan.crashes)),
        ("clock jumps (at, by ms)", format!("{:?}", plan.jumps)),
        ("orderly stops at", format!("{:?}", plan.stops)),
        ("the service's bounds", format!("{:?}", plan.options)),
        ("all faults end at", format!("{} ms", plan.heal_ms)),
    ];
    for (name, value) in facts {
        let _ = write!(html, "<tr><td>{name}</td><td>{}</td></tr>", escape(&value));
    }
    html.push_str("</table><details><summary>What everyone wants</summary><table>");
    for operation in &plan.operations {
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{} ms</td><td>{}</td><td>{}</td></tr>",
            operation.id,
            operation.at_ms,
            escape(&format!("key-{}: {}", operation.what.key(), operation.what)),
            escape(&format!("{:?}", operation.policy))
        );
    }
    html.push_str("</table></details>");
    html
}
