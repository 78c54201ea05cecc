//! The page that shows what happened in a world: its picture, the history of each key, the plan.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use holdfast_simulator::chaos::{Line, Plan, Setup, Track};

use super::picture::picture;
use super::runner::Wrong;
use super::say;
use crate::web::html::{escape, page};

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
        "<h2>What happened</h2><p>Time runs downwards; each row is one event. Orange: written but not \
         yet durable. Green: durable. Red bands: the process or its disk failed.</p>",
    );
    body.push_str(&picture(lines, wrong));
    body.push_str(&histories(wrong.and_then(Wrong::key), lines));
    body.push_str(&plan(setup));
    page(&format!("Chaos, seed {}", setup.seed), &body)
}

fn verdict(setup: &Setup, wrong: Option<&Wrong>) -> String {
    let said = match wrong {
        None => "<div class=\"verdict fine\"><p>Every promise held in this world.</p>".to_owned(),
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
                "<div class=\"verdict\"><p><b>Broken promise: {}.</b></p><p>It broke for {key}, after \
                 {} ms of virtual time. Observed: {}.</p>",
                escape(violation.invariant.text()),
                violation.at_ms,
                escape(&violation.detail)
            )
        }
    };
    let planted = setup.sabotage.map_or_else(String::new, |sabotage| {
        format!(
            "<p>A planted bug, which must be found: {}.</p>",
            escape(sabotage.description())
        )
    });
    let mask = &setup.mask;
    let smaller = if wrong.is_some() && (!mask.keys.is_empty() || !mask.operations.is_empty()) {
        "<p>Keys and operations are left out of this world to make it small. So the first payment to break may be another \
         than in the complete world.</p>"
    } else {
        ""
    };
    format!(
        "{said}{planted}{smaller}<p>Run it again: <code>{}</code></p></div>",
        escape(&say::command(setup.seed, setup))
    )
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
    html.push_str("</table><details><summary>Operations of the clients</summary><table>");
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

    use super::super::example::failing;
    use super::*;

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
}
