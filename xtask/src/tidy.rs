//! Every check of the work tree, one after another; none hides what another finds.

use crate::problem::Problem;
use crate::tree::Tree;
use crate::workspace::Member;
use crate::{arrows, circles, documents, drawing, lengths, routes, tables};

pub(crate) use crate::arrows::Outcome;

/// All that is wrong in a tree, ordered by file and line.
pub(crate) fn tidy(tree: &Tree, members: &[Member]) -> Result<Outcome, Problem> {
    let allow = tables::allow(tree)?;
    let Outcome {
        mut findings,
        notes,
    } = arrows::check(tree, members)?;
    findings.extend(circles::check(tree, members)?);
    findings.extend(documents::check(tree, &allow)?);
    findings.extend(routes::check(tree)?);
    findings.extend(lengths::check(tree, &allow)?);
    findings.extend(drawing::check(tree, members)?);
    findings.sort();
    Ok(Outcome { findings, notes })
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    #[test]
    fn in_a_clean_tree_nothing_is_found() {
        let fixture = Fixture::clean();
        fixture.draw();
        let outcome = fixture.tidy().unwrap();
        assert_eq!(outcome.findings, []);
        assert!(outcome.notes.is_empty(), "{:?}", outcome.notes);
    }

    #[test]
    fn a_finding_hides_no_other() {
        let found = Fixture::clean()
            .with_more("core/src/state.rs", "use crate::payment::Payment;\n")
            .with_more("README.md", "`nowhere.rs` and [that](gone.md)\n")
            .with_more("server/src/api/mod.rs", "use simulator::Bank;\n")
            .found();
        let checks: Vec<_> = found
            .iter()
            .filter_map(|finding| Some(finding.split_once('[')?.1.split_once(']')?.0))
            .collect();
        assert_eq!(
            checks,
            ["document", "document", "circle", "arrow"],
            "{found:#?}"
        );
    }

    #[test]
    fn a_source_that_cannot_be_read_is_no_clean_one() {
        let fixture = Fixture::clean().with("core/src/state.rs", "struct");
        let problem = fixture.tidy().err().unwrap();
        assert_eq!(
            problem.to_string(),
            "could not parse core/src/state.rs (line 1)"
        );
        let fixture = Fixture::clean().without("core/src/state.rs");
        let problem = fixture.tidy().err().unwrap();
        assert_eq!(
            problem.to_string(),
            "core/src/lib.rs declares `mod state;`, but the file of that module is missing"
        );
    }
}
