//! Interesting moments. A simulation that never reaches them proves little. So each is counted, and over enough worlds
//! each must happen at least once.

use std::collections::BTreeMap;

use serde::Serialize;

macro_rules! moments {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// A moment that must happen in some world.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Sometimes {
            $(
                #[doc = $text]
                $name,
            )*
        }

        impl Sometimes {
            /// All moments.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The moment, as a sentence.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

moments! {
    CrashBeforeWrite = "crash before a commit wrote anything",
    CrashBeforeSync = "crash between writing a batch and syncing it",
    CrashAfterSync = "crash after a sync, before anyone was told",
    CrashAfterBankAnswer = "crash after the bank debited, before the outcome was durable",
    CrashInRecovery = "crash during recovery",
    CrashWhileIdle = "crash with nothing in flight",
    BatchLost = "an unsynced batch was lost completely",
    BatchTorn = "an unsynced batch was partly written",
    BatchSurvived = "an unsynced batch survived a crash",
    IndexBehind = "the index was behind the journal at a restart, and was brought up",
    SyncFailed = "a failed sync stopped the service",
    DiskFull = "a full disk stopped the service",
    BitFlipped = "a flipped bit stopped the service",
    SyncSlow = "a slow sync",
    BatchOfMany = "a commit of eight writes or more",
    StoppedInOrder = "an orderly stop with payments in flight",
    Joined = "a duplicate joined a flight",
    JoinedRecovery = "a duplicate joined a payment under recovery",
    CacheHit = "a duplicate was answered from the cache",
    ReplayedAfterRestart = "the answer of a finished payment was replayed after a restart",
    Mismatch = "a different request under a known key was rejected",
    MismatchInFlight = "a different request under a known key was rejected while the payment was in flight",
    StrictRefused = "a duplicate that asked not to join was rejected",
    Accepted = "a client got a 202 while the payment continued",
    ClientTimeout = "a client gave up waiting and sent again",
    RequestLost = "a request was lost",
    AnswerLost = "an answer was lost",
    RequestRepeated = "the network delivered a request twice",
    ConnectionReset = "a connection broke while the service worked on the request",
    LateDuplicate = "a request arrived after its payment had finished",
    BankTimeout = "the bank did not answer in time",
    LateProcessing = "the bank processed a charge after its caller had given up",
    LateAfterReview = "the bank processed a charge late, when the payment was in review or decided",
    InquiryDecided = "an inquiry settled or failed a payment",
    InquiryNotFound = "an inquiry found nothing, but the grace was not over",
    ProvenUnsent = "an inquiry found nothing after the grace: proof that nothing was sent",
    BankForgot = "the bank had forgotten a reference",
    Throttled = "the bank throttled a call",
    BreakerOpened = "the circuit breaker opened",
    Waited = "a payment waited for a free slot at the bank",
    AtCapacity = "a request was rejected because the service was at capacity",
    Cancelled = "a payment was cancelled",
    CancelTooLate = "a cancel came too late",
    Expired = "a payment expired unsent",
    Declined = "a payment was declined",
    Reviewed = "a payment went to review",
    Resolved = "an operator decided a payment",
    Contradicted = "the bank contradicted a finished payment",
    RecoveryClosed = "recovery closed an attempt that a crash had interrupted",
    ClockForward = "the wall clock jumped ahead",
    ClockBack = "the wall clock was set back",
    ClockFar = "the wall clock was set by more than the grace and the deduplication window",
    ClockBehind = "the service started with a wall clock behind a durable time",
    HeldBack = "an attempt was not sent because its time limit had passed",
    StrayAnswer = "the bank's answer was about another payment",
    GatewayAnswered = "a gateway answered instead of the bank",
    RepeatRefused = "the bank rejected a repeat as a duplicate",
    WatchEnded = "the watch after an operator's decision ended",
    WatchResumed = "a watch continued after a restart",
    OtherBankRefused = "a restart with a different bank was refused",
    OtherBankTaken = "a restart with a different bank was allowed, because no payment was open",
    RenamedRefused = "a restart with a renamed merchant was refused",
}

/// How often each moment happened.
pub type Moments = BTreeMap<Sometimes, u64>;
