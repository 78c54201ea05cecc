//! The environment: a variable that looks like one of ours and is none is told.

use clap::Command;

/// From so much likeness on, between 0 and 1, a name is taken for a misspelt one.
const SIMILAR_ENOUGH: f64 = 0.85;

/// What every variable of ours begins with.
const PREFIX: &str = "HOLDFAST_";

/// What is said of each variable that begins as ours do and that no command knows.
pub(crate) fn misspelt(command: &Command, variables: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = vec!["HOLDFAST_LOG".to_owned()];
    collect(command, &mut known);
    let mut unknown: Vec<_> = variables
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name) && !is_of_others(name))
        .collect();
    unknown.sort_unstable();
    let said = unknown.iter().map(|name| {
        let meant = match similar(name, known.iter().map(String::as_str)) {
            Some(meant) => format!("Did you mean {meant}?"),
            None => "`holdfast serve --help` names those that there are.".to_owned(),
        };
        format!("the environment has {name}, which means nothing to Holdfast. {meant}")
    });
    said.collect()
}

/// Variables that others set: Kubernetes for every container beside a service that is called `holdfast`, cargo, and our own tests.
fn is_of_others(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    let is_port = rest.split('_').any(|part| part == "PORT");
    is_port
        || rest.ends_with("SERVICE_HOST")
        || rest.starts_with("TEST_")
        || ["BIN", "COMMIT"].contains(&rest)
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
            "HOLDFAST_FLIGHT_MAX",
            "HOLDFAST_FLIGHTS_MAX",
            "HOLDFAST_COLOUR",
            "HOLDFAST_LOG",
            "HOLDFAST_SERVICE_HOST",
            "HOLDFAST_PORT_8080_TCP_ADDR",
            "PATH",
        ];
        let said = misspelt(&command, variables.map(str::to_owned).into_iter());
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("HOLDFAST_COLOUR"), "{said:?}");
        assert!(
            said[1].contains("Did you mean HOLDFAST_FLIGHTS_MAX?"),
            "{said:?}"
        );
    }
}
