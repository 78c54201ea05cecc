//! The environment. A variable that looks like one of ours and is not one of them is reported.

use clap::Command;

/// A name that is more similar to a known one than this, between 0 and 1, is taken as that one misspelt.
const SIMILAR_ENOUGH: f64 = 0.85;

/// What every variable of ours begins with.
const PREFIX: &str = "HOLDFAST_";

/// One warning for each variable that begins as ours do and that no command knows.
pub(crate) fn misspelt(
    command: &Command,
    variables: impl Iterator<Item = (String, String)>,
) -> Vec<String> {
    let mut known = vec!["HOLDFAST_LOG".to_owned()];
    collect(command, &mut known);
    let mut unknown: Vec<_> = variables
        .filter(|(name, value)| {
            name.starts_with(PREFIX) && !known.contains(name) && !is_of_others(name, value)
        })
        .map(|(name, _)| name)
        .collect();
    unknown.sort_unstable();
    let said = unknown.iter().map(|name| {
        let meant = match similar(name, known.iter().map(String::as_str)) {
            Some(meant) => format!("Did you mean {meant}?"),
            None => "`holdfast serve --help` lists all variables.".to_owned(),
        };
        format!("the environment variable {name} is unknown to Holdfast. {meant}")
    });
    said.collect()
}

/// Variables that others set: Kubernetes for every container beside a service that is called `holdfast`, cargo, and our own tests.
fn is_of_others(name: &str, value: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    let of_kubernetes = rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || (rest.ends_with("PORT") && value.contains("://"))
        || rest.split("PORT_").skip(1).any(|port| {
            let (digits, protocol) = port.split_once('_').unwrap_or((port, ""));
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            is_number
                && ["TCP", "UDP", "SCTP"]
                    .iter()
                    .any(|name| protocol.starts_with(name))
        });
    of_kubernetes || rest.starts_with("TEST_") || ["BIN", "COMMIT"].contains(&rest)
}

fn collect(command: &Command, known: &mut Vec<String>) {
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    for below in command.get_subcommands() {
        collect(below, known);
    }
}

/// The known name that was meant, if one is close enough.
pub(super) fn similar<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = known.map(|name| (strsim::jaro_winkler(unknown, name), name));
    let (score, name) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (score > SIMILAR_ENOUGH).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;
    use crate::config::ServeArgs;

    #[test]
    fn a_misspelt_variable_is_told_and_what_others_set_is_not() {
        let command = ServeArgs::augment_args(Command::new("serve"));
        let variables = [
            ("HOLDFAST_FLIGHT_MAX", "5"),
            ("HOLDFAST_FLIGHTS_MAX", "5"),
            ("HOLDFAST_COLOUR", "1"),
            ("HOLDFAST_LOG", "info"),
            ("HOLDFAST_LISTEN_PORT", "9090"),
            ("HOLDFAST_SERVICE_HOST", "10.0.0.1"),
            ("HOLDFAST_SERVICE_PORT_HTTP", "80"),
            ("HOLDFAST_PORT", "tcp://10.0.0.1:80"),
            ("HOLDFAST_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("PATH", "/bin"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let said = misspelt(&command, variables.into_iter());
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said[0].contains("HOLDFAST_COLOUR") && said[2].contains("HOLDFAST_LISTEN_PORT"),
            "{said:?}"
        );
        assert!(
            said[1].contains("Did you mean HOLDFAST_FLIGHTS_MAX?"),
            "{said:?}"
        );
    }
}
