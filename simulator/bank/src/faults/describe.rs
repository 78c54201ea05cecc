//! Fault profiles in words for people.

use std::fmt;

use super::profile::FaultProfile;
use super::rates::{Range, Rate, Timed};

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.share() * 100.0;
        if percent > 0.0 && percent < 0.1 {
            return f.write_str("under 0.1%");
        }
        let text = format!("{percent:.1}");
        write!(f, "{}%", text.strip_suffix(".0").unwrap_or(&text))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min() == self.max() {
            write!(f, "{} ms", self.max())
        } else {
            write!(f, "{} to {} ms", self.min(), self.max())
        }
    }
}

impl fmt::Display for FaultProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart, so that a new fault is not left out here.
        let Self {
            latency_ms,
            lost_before,
            lost_after,
            reset_mid_answer,
            unreadable,
            error_before,
            error_after,
            throttled,
            slow,
            late,
            declined,
            outage,
            duplicate,
            stray,
            gateway,
            repeat_refused,
            inquiry_not_found,
            key_window_ms,
        } = self;
        let mut facts = vec![format!("takes {latency_ms} for a call")];
        let rates = [
            (
                lost_before,
                "of requests are lost before they are processed",
            ),
            (lost_after, "of answers are lost after processing"),
            (reset_mid_answer, "of answers break off in the middle"),
            (unreadable, "of answers cannot be read"),
            (error_before, "of calls get an error and are not processed"),
            (
                error_after,
                "of calls get an error and are processed all the same",
            ),
            (declined, "of payments are declined"),
            (duplicate, "of requests reach the bank twice"),
            (stray, "of answers are about another payment"),
            (
                gateway,
                "of answers come from a gateway in the bank's place",
            ),
            (repeat_refused, "of repeats are refused as duplicates"),
        ];
        for (rate, text) in rates {
            if rate.happens() {
                facts.push(format!("{rate} {text}"));
            }
        }
        let timed: [(&Timed, &str); 5] = [
            (throttled, "of calls are told to come back later, in"),
            (slow, "of calls are processed at once and answered after"),
            (late, "of calls get no answer and are processed after"),
            (outage, "of calls begin an outage of"),
            (
                inquiry_not_found,
                "of debits are not found when asked for, during",
            ),
        ];
        for (Timed { rate, ms }, text) in timed {
            if rate.happens() {
                facts.push(format!("{rate} {text} {ms}"));
            }
        }
        if let Some(window_ms) = key_window_ms {
            facts.push(format!("forgets a reference after {window_ms} ms"));
        }
        f.write_str(&facts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_percentages_and_spans_have_units() {
        let words = [0.0, 0.0004, 0.012, 0.3, 1.0].map(|rate| Rate::new(rate).to_string());
        assert_eq!(words, ["0%", "under 0.1%", "1.2%", "30%", "100%"]);
        assert_eq!(Range::new(5, 40).to_string(), "5 to 40 ms");
        assert_eq!(Range::new(5, 5).to_string(), "5 ms");
        let profile = FaultProfile {
            lost_after: Rate::new(0.25),
            outage: Timed::new(0.01, 100, 200),
            key_window_ms: Some(3_500),
            ..FaultProfile::default()
        };
        assert_eq!(
            profile.to_string(),
            "takes 0 ms for a call; 25% of answers are lost after processing; 1% of calls begin an outage of \
             100 to 200 ms; forgets a reference after 3500 ms"
        );
    }
}
