//! Views: reads for people and programs. No decision about an operation depends on them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use holdfast_core::ledger::Balance;
use holdfast_core::{
    AccountId, Amount, BankName, Currency, IdempotencyKey, JournalEntry, Merchant, Operation,
    OperationId, Phase, Reference, Request, StateName, Timestamp,
};

use super::error::StoreError;

/// A page of operations, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The operations.
    pub operations: Vec<Operation>,
    /// Ask for operations before this id to get the next page; `None` at the end.
    pub next_before: Option<OperationId>,
}

/// Which operations to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of which merchant.
    pub merchant: Merchant,
    /// Which of them.
    pub filter: Filter,
    /// Only those created before this one.
    pub before: Option<OperationId>,
    /// The maximum number, at least 1.
    pub limit: usize,
}

/// Conditions that an operation of a list meets, all of them. Nothing given is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only the one with this key.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Only those in this state.
    pub state: Option<StateName>,
    /// Only those in this phase.
    pub phase: Option<Phase>,
    /// Only those that debit or credit this account.
    pub account: Option<AccountId>,
    /// Only those with exactly this reference.
    pub reference: Option<Reference>,
    /// Only those in this currency.
    pub currency: Option<Currency>,
    /// Only those of this amount.
    pub amount: Option<Amount>,
    /// Only those created later than this.
    pub created_after: Option<Timestamp>,
    /// Only those created earlier than this.
    pub created_before: Option<Timestamp>,
}

impl Filter {
    fn wants(&self, operation: &Operation) -> bool {
        // Destructured, so that a new condition does not compile until it is checked.
        let Self {
            idempotency_key: key,
            state,
            phase,
            account,
            reference,
            currency,
            amount,
            created_after,
            created_before,
        } = self;
        let Request::Payment(payment) = &operation.request;
        let is_party = |account| account == payment.debtor() || account == payment.creditor();
        key.as_ref()
            .is_none_or(|key| *key == operation.key.idempotency_key)
            && state.is_none_or(|state| state == operation.state.name())
            && phase.is_none_or(|phase| Some(phase) == operation.state.phase())
            && account.as_ref().is_none_or(is_party)
            && (reference.is_none() || reference.as_ref() == payment.reference())
            && currency.is_none_or(|currency| currency == payment.currency())
            && amount.is_none_or(|amount| amount == payment.amount())
            && created_after.is_none_or(|after| operation.created_at > after)
            && created_before.is_none_or(|before| operation.created_at < before)
    }
}

impl Query {
    /// Whether the query reads no more than it returns: the newest operations, or one key.
    pub fn is_short(&self) -> bool {
        self.filter.idempotency_key.is_some() || self.filter == Filter::default()
    }

    /// Whether an operation matches the query.
    pub fn wants(&self, operation: &Operation) -> bool {
        let Self {
            merchant,
            filter,
            before,
            limit: _,
        } = self;
        *merchant == operation.key.merchant
            && before.is_none_or(|before| operation.id < before)
            && filter.wants(operation)
    }
}

/// Most records that one [`Views::list`] call reads: a rare state in a large store costs pages, not a stalled request. A
/// page may therefore be short and still have a successor.
pub const LIST_SCAN_MAX: usize = 10_000;

/// Reads for people. They return only durable data.
///
/// Architecture invariant: no view reads on a worker thread of the runtime, so a slow read delays no payment.
#[async_trait]
pub trait Views: Send + Sync + 'static {
    /// A merchant's operation by id.
    async fn find(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Operation>, StoreError>;

    /// A page of a merchant's operations, newest first.
    async fn list(&self, query: &Query) -> Result<Page, StoreError>;

    /// The journal entries of an operation with their sequences, oldest first; `None` when the merchant has no such
    /// operation.
    async fn history(
        &self,
        merchant: &Merchant,
        id: OperationId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError>;

    /// A merchant's journal entries in which the bank contradicted a finished operation, with their sequences, oldest
    /// first, after the given sequence; at most `limit`.
    async fn contradictions(
        &self,
        merchant: &Merchant,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError>;

    /// The balances of a merchant's account, one for each of its currencies; empty when it never had a movement.
    async fn account(
        &self,
        merchant: &Merchant,
        account: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError>;

    /// The merchants that have operations.
    async fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError>;

    /// The banks that attempts were sent to, by name. Banks of earlier versions are missing, because those stored no
    /// names.
    async fn banks(&self) -> Result<BTreeSet<BankName>, StoreError>;
}
