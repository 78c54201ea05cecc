//! Planted bugs. A check that cannot fail proves nothing: each of these must be found.
//!
//! They sit at the seams, in what stands around the engine: its store, its bank, its front door.

use serde::Serialize;

use super::auditor::Invariant;

macro_rules! sabotages {
    ($($name:ident = $label:literal, $text:literal, [$($invariant:ident),+];)*) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Sabotage {
            $(
                #[doc = $text]
                $name,
            )*
        }

        impl Sabotage {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// What is done wrong.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// By which invariants one would expect it to be found.
            pub const fn expected(self) -> &'static [Invariant] {
                match self {
                    $(Self::$name => &[$(Invariant::$invariant),+],)*
                }
            }
        }
    };
}

sabotages! {
    AcknowledgeEarly = "acknowledge-early",
        "a commit answers before it is durable", [DurableBeforeShown, IntentBeforeBank];
    LostCompareAndSwap = "lost-compare-and-swap",
        "the store applies a write whatever version it expects", [LegalEdges, FinalIsFinal];
    NewReference = "new-reference",
        "each attempt goes to the bank under a reference of its own", [OneDebit];
    TimeoutIsFailure = "timeout-is-failure",
        "a call without an answer is called declined", [FailedIsUncharged];
    ResendBlindly = "resend-blindly",
        "an unanswered charge is sent again to a bank that does not deduplicate", [OneDebit];
    NotFoundIsProof = "not-found-is-proof",
        "an inquiry that finds nothing counts as proof at once", [OneDebit, FailedIsUncharged];
    RecoverySkips = "recovery-skips",
        "recovery leaves payments out", [EveryPaymentEnds];
    HoldNotVoided = "hold-not-voided",
        "a failed payment's hold stays", [Ledger];
    PostedTwice = "posted-twice",
        "a settled payment is posted twice", [Ledger];
    DirtyRead = "dirty-read",
        "a read shows what is not durable yet", [DurableBeforeShown];
    UnfinishedCached = "unfinished-cached",
        "an unfinished payment is cached as if it were finished", [Linearizable, OtherRequestRefused];
    FingerprintIgnored = "fingerprint-ignored",
        "a key answers whatever request comes with it", [OtherRequestRefused];
    LostWakeUp = "lost-wake-up",
        "who joins a flight is never told how it ended", [EveryRequestAnswered];
    JournalGap = "journal-gap",
        "an entry is left out of the journal", [Journal, IntentBeforeBank];
    ClockTrusted = "clock-trusted",
        "a clock that is set back makes the bank's memory look longer", [OneDebit];
    ClockAheadTrusted = "clock-ahead-trusted",
        "a clock that is set ahead makes the grace look over", [OneDebit, FailedIsUncharged];
    TimesForgotten = "times-forgotten",
        "a life begins at the wall clock, whatever is durable", [OneDebit];
    TenureKept = "tenure-kept",
        "a life takes the attempts of the life before it for its own", [EveryPaymentEnds];
    OtherBank = "other-bank",
        "a service starts with another bank than its payments are for", [OneDebit, FailedIsUncharged, SettledIsCharged];
    MerchantRenamed = "merchant-renamed",
        "a service starts with its merchant under another name", [OneDebit];
    StrayBelieved = "stray-believed",
        "an answer about another payment is believed", [SettledIsCharged, FailedIsUncharged];
    GatewayBelieved = "gateway-believed",
        "what a gateway says is taken for the bank's word", [OneDebit, FailedIsUncharged];
    DuplicateIsDecline = "duplicate-is-decline",
        "a repeat that the bank refuses as a duplicate is called declined", [FailedIsUncharged];
    WatchForgotten = "watch-forgotten",
        "the watch after an operator's decision does not outlive a restart", [EveryPaymentEnds];
    BreakerStuck = "breaker-stuck",
        "a breaker that has opened never closes", [EveryPaymentEnds];
    ReplayDiffers = "replay-differs",
        "a repeat gets an answer of its own", [SameAnswer];
    BitServed = "bit-served",
        "a flipped bit is served as if it were the payment", [AnswerMatchesRequest];
    SyncErrorIgnored = "sync-error-ignored",
        "a failed sync is taken for a good one", [DurableBeforeShown, IntentBeforeBank];
}

impl Sabotage {
    /// The sabotage of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|sabotage| sabotage.name() == name)
    }
}
