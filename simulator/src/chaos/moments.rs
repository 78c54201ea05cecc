//! Interesting moments. A simulation that never gets into them proves little, so each is counted, and
//! over enough worlds each must have happened.

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
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What happened, in words.
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
    CrashAfterSync = "crash after a sync that nobody had heard of",
    CrashAfterBankAnswer = "crash after the bank debited and before the outcome was durable",
    CrashInRecovery = "crash during recovery",
    CrashWhileIdle = "crash with nothing in flight",
    BatchLost = "a batch that was not synced was lost whole",
    BatchTorn = "a batch that was not synced was torn",
    BatchSurvived = "a batch that was not synced survived all the same",
    SyncFailed = "a failed sync stopped the service",
    DiskFull = "a full disk stopped the service",
    BitFlipped = "a flipped bit stopped the service",
    SyncSlow = "a slow sync",
    BatchOfMany = "a commit of eight writes or more",
    StoppedInOrder = "an orderly stop with payments in flight",
    Joined = "a duplicate joined a flight",
    JoinedRecovery = "a duplicate joined a payment under recovery",
    CacheHit = "a duplicate was answered from the cache",
    ReplayedAfterRestart = "a finished payment was replayed by a later life",
    Mismatch = "the same key with another request was refused",
    MismatchInFlight = "the same key with another request was refused while the payment was in flight",
    StrictRefused = "a duplicate that declined to join was refused",
    Accepted = "a client was told 202 and the payment went on",
    ClientTimeout = "a client gave up waiting and sent again",
    RequestLost = "a request was lost",
    AnswerLost = "an answer was lost",
    RequestRepeated = "the network delivered a request twice",
    ConnectionReset = "a connection broke while the service worked on the request",
    LateDuplicate = "a request arrived after its payment had finished",
    BankTimeout = "the bank did not answer in time",
    LateProcessing = "the bank processed a charge after its caller had given up",
    LateAfterReview = "the bank processed a charge late, when the payment was in review or decided",
    InquiryDecided = "an inquiry decided a payment",
    InquiryNotFound = "an inquiry found nothing, which proves nothing yet",
    ProvenUnsent = "silence of the bank's books was proof at last",
    BankForgot = "the bank had forgotten a key",
    Throttled = "the bank asked to be left alone",
    BreakerOpened = "the breaker opened",
    Waited = "a payment waited for its turn at the bank",
    AtCapacity = "a request was refused for want of room",
    Cancelled = "a payment was cancelled",
    CancelTooLate = "a cancel came too late",
    Expired = "a payment expired unsent",
    Declined = "a payment was declined",
    Reviewed = "a payment went to review",
    Resolved = "an operator decided",
    Contradicted = "the bank contradicted a finished payment",
    RecoveryClosed = "recovery closed an attempt that a crash had cut off",
    ClockForward = "the wall clock jumped ahead",
    ClockBack = "the wall clock was set back",
    ClockFar = "the wall clock was set by more than any grace and window",
    ClockBehind = "a life began with a wall clock behind what was durable",
    HeldBack = "an attempt was held back because its time was over",
    StrayAnswer = "the bank's answer was about another payment",
    GatewayAnswered = "a gateway answered in the bank's place",
    RepeatRefused = "the bank refused a repeat as a duplicate",
    WatchEnded = "the watch after an operator's decision ended",
    WatchResumed = "a life began with a watch that an earlier one had not ended",
    OtherBankRefused = "a restart with another bank was refused",
    OtherBankTaken = "a restart with another bank was right, for nothing was under way",
    RenamedRefused = "a restart with the merchant renamed was refused",
}

/// How often each moment happened.
pub type Moments = BTreeMap<Sometimes, u64>;
