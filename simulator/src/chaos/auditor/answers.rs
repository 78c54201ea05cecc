//! Checks of every answer that leaves the service.

use std::fmt;

use bytes::Bytes;
use holdfast_core::Phase;
use serde::Deserialize;

use super::super::plan::Action;
use super::{Auditor, Invariant, Known, Standing, Wanted};

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub(in crate::chaos) struct Asked {
    /// The action that was answered.
    pub(in crate::chaos) action: Action,
    /// The highest version of the payment that anyone had seen when it was sent.
    pub(in crate::chaos) floor: u64,
}

/// A payment in an answer.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::chaos) struct Shown {
    idempotency_key: String,
    state: String,
    phase: Option<String>,
    amount: u64,
    currency: String,
    debtor: String,
    creditor: String,
    attempts: u32,
    /// Its version.
    pub(in crate::chaos) version: u64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            idempotency_key,
            amount,
            currency,
            debtor,
            creditor,
            ..
        } = self;
        write!(
            f,
            "{amount} {currency} from {debtor} to {creditor} under {idempotency_key}"
        )
    }
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    payment: Option<Shown>,
}

/// The content of an answer.
#[derive(Debug)]
pub(in crate::chaos) enum Told {
    /// A payment.
    Payment(Shown),
    /// A problem, by its name.
    Problem(String),
    /// Something else.
    Other,
}

impl Auditor {
    /// The highest version of a key's payment that anyone was shown.
    pub(in crate::chaos) fn floor(&self, key: u32) -> u64 {
        self.of_key(key).map_or(0, |known| known.shown)
    }

    /// Checks an answer as it leaves the service.
    pub(in crate::chaos) fn answered(&mut self, asked: Asked, status: u16, body: &Bytes) -> Told {
        let key = asked.action.key();
        let told = read(status, body);
        if let Told::Payment(shown) = &told {
            self.shown(asked, shown);
        }
        let known = self.of_key(key);
        let right = match (asked.action, status, &told) {
            (Action::Pay { variant, .. }, 422, Told::Problem(kind)) => {
                let stands_for_it =
                    known.is_some_and(|known| known.wanted == Wanted::of(key, variant));
                kind.ends_with("/idempotency-key-reused") && !stands_for_it
            }
            (_, 503, _)
            | (Action::Pay { .. }, 201 | 202 | 402, Told::Payment(_))
            | (Action::Pay { strict: true, .. } | Action::Cancel { .. }, 409, _)
            | (
                Action::Look { .. } | Action::Cancel { .. } | Action::Resolve { .. },
                200,
                Told::Payment(_),
            )
            | (Action::Events { .. } | Action::Find { .. }, 200, _)
            | (Action::Resolve { .. }, 409 | 412, _) => true,
            _ => false,
        };
        self.check(right, Invariant::KnownAnswer, Some(key), || {
            let text = String::from_utf8_lossy(body);
            format!("\"{}\" is answered with {status}: {text}", asked.action)
        });
        if matches!(asked.action, Action::Pay { .. }) && matches!(status, 201 | 402) {
            self.frozen(key, status, body);
        }
        told
    }

    fn shown(&mut self, asked: Asked, shown: &Shown) {
        let key = asked.action.key();
        let Some(known) = self.of_key(key).cloned() else {
            let detail = format!("{} is shown, but nothing is durable", shown.state);
            return self.violated(Invariant::DurableBeforeShown, Some(key), detail);
        };
        let durable = known.version();
        self.check(
            shown.version <= durable,
            Invariant::DurableBeforeShown,
            Some(key),
            || {
                format!(
                    "version {} is shown, but {durable} is durable",
                    shown.version
                )
            },
        );
        self.check(
            shown.version >= asked.floor,
            Invariant::Linearizable,
            Some(key),
            || format!("version {} is shown after {}", shown.version, asked.floor),
        );
        let at = usize::try_from(shown.version).unwrap_or(0).wrapping_sub(1);
        if let Some(standing) = known.standings.get(at) {
            self.check(
                (shown.state.as_str(), shown.phase.as_deref()) == words(*standing),
                Invariant::DurableBeforeShown,
                Some(key),
                || {
                    format!(
                        "{} is shown for version {}, which is {standing}",
                        shown.state, shown.version
                    )
                },
            );
        }
        self.check(
            matches(shown, &known),
            Invariant::AnswerMatchesRequest,
            Some(key),
            || format!("{shown} is shown for {} under key-{key}", known.wanted),
        );
        if let Action::Pay { variant, .. } = asked.action {
            self.check(
                known.wanted == Wanted::of(key, variant),
                Invariant::OtherRequestRefused,
                Some(key),
                || "a payment answers another request".to_owned(),
            );
        }
        let id = self.by_key[&key];
        if let Some(known) = self.payments.get_mut(&id) {
            known.shown = known.shown.max(shown.version);
        }
    }

    fn frozen(&mut self, key: u32, status: u16, body: &Bytes) {
        let Some(id) = self.by_key.get(&key) else {
            return;
        };
        let Some(known) = self.payments.get_mut(id) else {
            return;
        };
        match &known.frozen {
            None => known.frozen = Some((status, body.clone())),
            Some((first, bytes)) => {
                let same = *first == status && bytes == body;
                let detail = || {
                    format!(
                        "{status} {} after {first} {}",
                        String::from_utf8_lossy(body),
                        String::from_utf8_lossy(bytes)
                    )
                };
                let detail = (!same).then(detail);
                self.check(same, Invariant::SameAnswer, Some(key), || {
                    detail.unwrap_or_default()
                });
            }
        }
    }
}

fn read(status: u16, body: &Bytes) -> Told {
    if matches!(status, 200..=202) {
        return serde_json::from_slice(body).map_or(Told::Other, Told::Payment);
    }
    match serde_json::from_slice(body) {
        Ok(Problem {
            payment: Some(shown),
            ..
        }) if status == 402 => Told::Payment(shown),
        Ok(Problem { kind, .. }) => Told::Problem(kind),
        Err(_) => Told::Other,
    }
}

fn words(standing: Standing) -> (&'static str, Option<&'static str>) {
    match standing {
        Standing::Persisted => ("persisted", None),
        Standing::Called(Phase::Awaiting) => ("bank_called", Some("awaiting")),
        Standing::Called(Phase::Unknown) => ("bank_called", Some("unknown")),
        Standing::Called(Phase::Review) => ("bank_called", Some("review")),
        Standing::Settled => ("settled", None),
        Standing::Failed(_) => ("failed", None),
    }
}

fn matches(shown: &Shown, known: &Known) -> bool {
    let wanted = &known.wanted;
    shown.amount == wanted.amount
        && shown.currency == wanted.currency
        && shown.debtor == wanted.debtor
        && shown.creditor == wanted.creditor
        && shown.idempotency_key.strip_prefix("key-") == Some(known.key.to_string().as_str())
        && shown.attempts <= known.attempts
}
