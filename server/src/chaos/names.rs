//! Names of scenarios, planted bugs and families of faults: parsing, and the valid names in each error.

use holdfast_simulator::chaos::{Family, KEYS, OPERATIONS, Sabotage, Scenario};

/// Something that is left out of a world.
#[derive(Debug, Clone, Copy)]
pub(super) enum LeftOut {
    Family(Family),
    Keys(u32, u32),
    Operations(u32, u32),
}

fn names(all: impl Iterator<Item = &'static str>) -> String {
    all.collect::<Vec<_>>().join(", ")
}

pub(super) fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| {
        let known = names(Scenario::ALL.into_iter().map(Scenario::name));
        format!("unknown scenario; the scenarios are {known}")
    })
}

pub(super) fn sabotage(name: &str) -> Result<Sabotage, String> {
    Sabotage::named(name).ok_or_else(|| {
        let known = names(Sabotage::ALL.iter().map(|sabotage| sabotage.name()));
        format!("unknown planted bug; the planted bugs are {known}")
    })
}

pub(super) fn family(name: &str) -> Result<Family, String> {
    let found = Family::ALL.into_iter().find(|family| family.name() == name);
    found.ok_or_else(|| {
        let known = names(Family::ALL.into_iter().map(Family::name));
        format!("unknown family of faults; the families are {known}")
    })
}

pub(super) fn left_out(text: &str) -> Result<LeftOut, String> {
    let wrong = || {
        let families = names(Family::ALL.into_iter().map(Family::name));
        format!("is not one of {families}, `key:N`, `key:N-M`, `operation:N`, `operation:N-M`")
    };
    if let Ok(family) = family(text) {
        return Ok(LeftOut::Family(family));
    }
    let (kind, number) = text.split_once(':').ok_or_else(wrong)?;
    let (from, to) = number.split_once('-').unwrap_or((number, number));
    let from: u32 = from.parse().map_err(|_| wrong())?;
    let to: u32 = to.parse().map_err(|_| wrong())?;
    let (count, left_out) = match kind {
        "key" => (KEYS, LeftOut::Keys(from, to)),
        "operation" => (OPERATIONS, LeftOut::Operations(from, to)),
        _ => return Err(wrong()),
    };
    if from > to {
        return Err(format!("the range is reversed; write `{kind}:{to}-{from}`"));
    }
    if to >= count {
        return Err(format!("only `{kind}:0` to `{kind}:{}` exist", count - 1));
    }
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named_within_bounds_and_in_order() {
        assert!(matches!(
            left_out("clock"),
            Ok(LeftOut::Family(Family::Clock))
        ));
        assert!(matches!(left_out("key:0-49"), Ok(LeftOut::Keys(0, 49))));
        assert!(matches!(
            left_out("operation:199"),
            Ok(LeftOut::Operations(199, 199))
        ));
        for (text, says) in [
            ("key:5-3", "`key:3-5`"),
            ("key:0-4294967295", "only `key:0` to `key:49`"),
            ("operation:200", "only `operation:0` to `operation:199`"),
            ("key:-1", "is not one of"),
            ("nonsense", "is not one of"),
        ] {
            let said = left_out(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
