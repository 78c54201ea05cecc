//! Every check of the work tree, one after another; none hides what another finds.

use crate::problem::Problem;
use crate::tree::Tree;
use crate::{arrows, circles, documents, drawing, lengths, routes, tables, workspace};

pub(crate) use crate::arrows::Outcome;

/// All that is wrong in a tree, ordered by file and line.
pub(crate) fn tidy(tree: &Tree) -> Result<Outcome, Problem> {
    let members = workspace::members(tree)?;
    let allow = tables::allow(tree)?;
    let Outcome {
        mut findings,
        notes,
    } = arrows::check(tree, &members)?;
    findings.extend(circles::check(tree, &members)?);
    findings.extend(documents::check(tree, &allow)?);
    findings.extend(routes::check(tree)?);
    findings.extend(lengths::check(tree, &allow)?);
    findings.extend(drawing::check(tree)?);
    findings.sort();
    Ok(Outcome { findings, notes })
}
