//! The query parameters that lists share. Unknown and repeated parameters are refused.

use poem::Request;

use crate::api::front_door::FrontDoor;
use crate::api::problem::Problem;

/// Most entries of one page.
const LIMIT_MAX: u32 = 100;
const LIMIT_DEFAULT: u32 = 20;

pub(crate) fn default_limit() -> u32 {
    LIMIT_DEFAULT
}

pub(crate) fn max_limit() -> u32 {
    LIMIT_MAX
}

pub(crate) fn page_size(limit: u32) -> usize {
    usize::try_from(limit.clamp(1, LIMIT_MAX)).expect("a hundred is a size on every machine")
}

/// A misspelt filter would quietly list everything.
pub(crate) fn only_known_parameters(request: &Request, known: &[&str]) -> Result<(), Problem> {
    let parameters: Vec<(String, String)> = request
        .params()
        .map_err(|_| Problem::field("query", "is not a valid query string"))?;
    for (index, (name, _)) in parameters.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let message = format!(
                "is not a parameter here; the parameters are {}",
                known.join(", ")
            );
            return Err(Problem::field(name, message));
        }
        if parameters[..index]
            .iter()
            .any(|(earlier, _)| earlier == name)
        {
            return Err(Problem::field(name, "must be given only once"));
        }
    }
    Ok(())
}

/// A sequence that this journal has got to. It may have lost it again to the restore of an older export.
pub(crate) fn within(front_door: &FrontDoor, name: &str, heard: u64) -> Result<u64, Problem> {
    if heard > *front_door.service.appended().borrow() {
        let rule = "is beyond the end of the journal. If the journal was restored from an older export, read the feed \
                    again with after=0";
        return Err(Problem::field(name, rule));
    }
    Ok(heard)
}
