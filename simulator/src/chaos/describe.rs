//! Events of a world in words for people. No digest covers any of it.

use std::collections::BTreeMap;

use holdfast_core::ledger::Balance;
use holdfast_core::{Cause, Decision, Movement, MovementKind};
use holdfast_engine::bank::{ChargeOutcome, InquiryOutcome};

use crate::store::{CommitFate, CrashPoint, Leftover};
use holdfast_bank_simulator::phrases::list;

pub(super) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Request => "a request was admitted".to_owned(),
        Cause::Dispatch => "an attempt is about to be sent".to_owned(),
        Cause::BankAnswer => "the bank answered".to_owned(),
        Cause::NotSent => "the attempt was not processed".to_owned(),
        Cause::NoAnswer => "there was no usable answer".to_owned(),
        Cause::Known => "the bank already has the reference".to_owned(),
        Cause::Inquiry => "the bank was asked".to_owned(),
        Cause::Recovery => "the service found an interrupted attempt at start".to_owned(),
        Cause::BudgetSpent => "no attempts or inquiries are left".to_owned(),
        Cause::Cancel => "the client cancelled".to_owned(),
        Cause::Timer => "a time limit passed".to_owned(),
        Cause::Resolution {
            operator, evidence, ..
        } => format!("{operator} decided: {evidence}"),
        Cause::Contradiction(said) => format!("the bank contradicts it: {}", decision(said)),
        Cause::WatchEnded => "the watch of the bank ended".to_owned(),
    }
}

fn decision(said: &Decision) -> String {
    match said {
        Decision::Confirmed {
            bank_transaction_id,
        } => format!("confirmed as {bank_transaction_id}"),
        Decision::Declined { code, message } => format!("declined as {code}: {message}"),
    }
}

pub(super) fn charged(outcome: &ChargeOutcome) -> String {
    match outcome {
        ChargeOutcome::Decided(said) => format!("answers: {}", decision(said)),
        ChargeOutcome::NotSent => "could not be reached".to_owned(),
        ChargeOutcome::Throttled { retry_after_ms } => {
            format!("did not process it: come back in {retry_after_ms} ms")
        }
        ChargeOutcome::Known => "rejects it as a duplicate".to_owned(),
        ChargeOutcome::Unknown => "gives no usable answer".to_owned(),
    }
}

pub(super) fn inquired(outcome: &InquiryOutcome) -> String {
    match outcome {
        InquiryOutcome::Decided(said) => format!("says: {}", decision(said)),
        InquiryOutcome::NotFound => "says: not found".to_owned(),
        InquiryOutcome::Unknown => "gives no usable answer".to_owned(),
    }
}

pub(super) const fn fate(fate: CommitFate) -> &'static str {
    match fate {
        CommitFate::Synced => "it succeeds",
        CommitFate::NoRoom => "the disk is full, and nothing is written",
        CommitFate::SyncFails => "it fails",
    }
}

pub(super) const fn crash(point: Option<CrashPoint>) -> &'static str {
    match point {
        None => "CRASH",
        Some(CrashPoint::BeforeWrite) => "CRASH before a commit is written",
        Some(CrashPoint::BeforeSync) => "CRASH after a commit is written, before it is synced",
        Some(CrashPoint::AfterSync) => "CRASH after a commit is synced, before anyone is told",
    }
}

pub(super) const fn leftover(left: Leftover) -> &'static str {
    match left {
        Leftover::Clean => "everything was synced",
        Leftover::Lost => "the unsynced data is lost",
        Leftover::Torn => "a part of the unsynced data is left",
        Leftover::Whole => "the unsynced data survived",
    }
}

const fn kind(kind: MovementKind) -> &'static str {
    match kind {
        MovementKind::Hold => "hold",
        MovementKind::Post => "post",
        MovementKind::Void => "void",
    }
}

/// The kind of a movement, or "nothing".
pub(super) fn moves(moved: Option<MovementKind>) -> &'static str {
    moved.map_or("nothing", kind)
}

pub(super) fn movement(movement: &Movement) -> String {
    let Movement {
        kind: moved,
        debit,
        credit,
        amount,
        currency,
    } = movement;
    format!(
        "{}: {} {} from {debit} to {credit}",
        kind(*moved),
        amount.minor_units(),
        currency.code()
    )
}

/// An account's four sums.
pub(super) fn sums(sums: &[u64; 4]) -> String {
    let &[
        debits_pending,
        debits_posted,
        credits_pending,
        credits_posted,
    ] = sums;
    let balance = Balance {
        debits_pending,
        debits_posted,
        credits_pending,
        credits_posted,
    };
    balance.to_string()
}

/// An account's sums in each currency.
pub(super) fn balances(balances: &BTreeMap<String, [u64; 4]>) -> String {
    let each: Vec<String> = balances
        .iter()
        .map(|(currency, each)| format!("{currency}: {}", sums(each)))
        .collect();
    list(&each, "empty")
}
