//! The planted bugs, by name. A check that cannot fail proves nothing: the auditor must find each of these.
//!
//! They are planted at the seams around the engine: its store, its bank, its front door and its clock.

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
            /// All planted bugs.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name on the command line and in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// The bug, in one sentence.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The invariants that should catch it.
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
        "a commit is acknowledged before it is durable", [DurableBeforeShown, IntentBeforeBank];
    LostCompareAndSwap = "lost-compare-and-swap",
        "the store applies writes without checking the expected version", [LegalEdges, FinalIsFinal];
    NewReference = "new-reference",
        "each attempt uses a new bank reference", [OneDebit];
    TimeoutIsFailure = "timeout-is-failure",
        "a timed-out call is reported as declined", [FailedIsUncharged];
    ResendBlindly = "resend-blindly",
        "a charge without an answer is sent again to a bank that does not deduplicate", [OneDebit];
    NotFoundIsProof = "not-found-is-proof",
        "a \"not found\" counts as proof before the grace is over", [OneDebit, FailedIsUncharged];
    RecoverySkips = "recovery-skips",
        "recovery skips unfinished payments", [EveryPaymentEnds];
    HoldNotVoided = "hold-not-voided",
        "the hold of a failed payment is never voided", [Ledger];
    PostedTwice = "posted-twice",
        "a settled payment is posted twice", [Ledger];
    DirtyRead = "dirty-read",
        "a read shows data that is not durable yet", [DurableBeforeShown];
    UnfinishedCached = "unfinished-cached",
        "unfinished payments are cached as if they were finished", [Linearizable, OtherRequestRefused];
    FingerprintIgnored = "fingerprint-ignored",
        "a different request under a known key is accepted", [OtherRequestRefused];
    LostWakeUp = "lost-wake-up",
        "clients that join a flight never get an answer", [EveryRequestAnswered];
    JournalGap = "journal-gap",
        "some journal entries are not written", [Journal, IntentBeforeBank];
    ClockTrusted = "clock-trusted",
        "a wall clock that is set back makes the deduplication window look longer", [OneDebit];
    ClockAheadTrusted = "clock-ahead-trusted",
        "a wall clock that is set ahead makes the grace look over", [OneDebit, FailedIsUncharged];
    TimesForgotten = "times-forgotten",
        "after a restart, time begins at the wall clock, even if it is behind durable times", [OneDebit];
    TenureKept = "tenure-kept",
        "after a restart, the attempts of the previous process are taken for its own", [EveryPaymentEnds];
    OtherBank = "other-bank",
        "the service starts with a different bank than its payments belong to", [OneDebit, FailedIsUncharged, SettledIsCharged];
    MerchantRenamed = "merchant-renamed",
        "the service starts although its merchant was renamed", [OneDebit];
    StrayBelieved = "stray-believed",
        "an answer about another payment is accepted", [SettledIsCharged, FailedIsUncharged];
    GatewayBelieved = "gateway-believed",
        "the answer of a gateway is taken for the bank's answer", [OneDebit, FailedIsUncharged];
    DuplicateIsDecline = "duplicate-is-decline",
        "a repeat that the bank rejects as a duplicate is reported as declined", [FailedIsUncharged];
    WatchForgotten = "watch-forgotten",
        "the watch after an operator's decision is lost at a restart", [EveryPaymentEnds];
    BreakerStuck = "breaker-stuck",
        "the circuit breaker never closes after it has opened", [EveryPaymentEnds];
    ReplayDiffers = "replay-differs",
        "each repeat of a finished payment gets different bytes", [SameAnswer];
    BitServed = "bit-served",
        "a damaged record is served instead of stopping the service", [AnswerMatchesRequest];
    SyncErrorIgnored = "sync-error-ignored",
        "a failed sync is ignored", [DurableBeforeShown, IntentBeforeBank];
    FrameUnsynced = "frame-unsynced",
        "a frame of the journal is acknowledged before its sync", [AcknowledgedStays];
    EndTooEarly = "end-too-early",
        "a restart takes the journal to end one frame too early", [AcknowledgedStays];
    IndexAhead = "index-ahead",
        "the index gets a commit before it is durable, and is believed after a crash", [DurableBeforeShown];
    IndexStale = "index-stale",
        "after a restart an old index is believed without the journal behind it", [FinalIsFinal, OneDebit];
    SegmentReused = "segment-reused",
        "the oldest segment of the journal is written again", [AcknowledgedStays];
}

impl Sabotage {
    /// Looks a planted bug up by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|sabotage| sabotage.name() == name)
    }
}
