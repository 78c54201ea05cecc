//! What is read past all clients and networks: the accounts, the feed, and what the bank did wrong.

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use super::ground::Message;
use super::sometimes::Sometimes;
use super::world::World;
use crate::bank::Mode;
use crate::faults::Fault;

impl World<'_> {
    /// Reads accounts and feed through the API, and holds them against the journal.
    pub(super) fn read_books(&mut self) {
        let accounts: Vec<String> = {
            let state = self.ground.lock();
            let names = state
                .auditor
                .balances()
                .keys()
                .map(|(name, _)| name.clone());
            let mut names: Vec<String> = names.collect();
            names.dedup();
            names
        };
        for account in accounts {
            let body = self.get(&format!("/v1/accounts/{account}"));
            // What cannot be read shows nothing, and the auditor knows better.
            let view: AccountView = serde_json::from_slice(&body).unwrap_or_default();
            let shown = view.balances.into_iter().map(|balance| {
                (
                    balance.currency,
                    [
                        balance.debits_pending,
                        balance.debits_posted,
                        balance.credits_pending,
                        balance.credits_posted,
                    ],
                )
            });
            let shown = shown.collect();
            self.ground.lock().auditor.account(&account, &shown);
        }
        let (mut after, mut sequences) = ("0".to_owned(), Vec::new());
        loop {
            let body = self.get(&format!("/v1/events?after={after}"));
            let Ok(page) = serde_json::from_slice::<FeedPage>(&body) else {
                break;
            };
            sequences.extend(page.data.iter().map(|event| event.sequence));
            match page.next_cursor {
                Some(cursor) => after = cursor,
                None => break,
            }
        }
        self.ground.lock().auditor.feed(&sequences);
    }

    /// Asks something at once, past all clients and networks.
    fn get(&mut self, path: &str) -> Bytes {
        const QUESTION: Message = Message {
            operation: u32::MAX,
            attempt: 0,
            copy: 0,
        };
        let request = Request::builder().uri(path).body(Bytes::new());
        let Some(life) = &mut self.life else {
            return Bytes::new();
        };
        life.serve(QUESTION, request.expect("a path"));
        for _ in 0..10 {
            life.advance(self.ground.now_ms() + 1_000);
            let answers = std::mem::take(&mut self.ground.lock().answers);
            if let Some(answer) = answers
                .into_iter()
                .find(|answer| answer.message == QUESTION)
            {
                life.at_work.remove(&QUESTION);
                return answer.body;
            }
        }
        Bytes::new()
    }

    /// The faults that the bank injected.
    pub(super) fn bank_moments(&self) {
        let injected = self.banks.injected();
        let mut state = self.ground.lock();
        let count = |fault| injected.get(&fault).copied().unwrap_or(0);
        if count(Fault::Throttled) > 0 {
            state.happened(Sometimes::Throttled);
        }
        if count(Fault::Forgotten) > 0 && self.ground.plan.mode == Mode::Keyed {
            state.happened(Sometimes::BankForgot);
        }
        for (fault, moment) in [
            (Fault::Stray, Sometimes::StrayAnswer),
            (Fault::Gateway, Sometimes::GatewayAnswered),
            (Fault::RepeatRefused, Sometimes::RepeatRefused),
        ] {
            if count(fault) > 0 {
                state.happened(moment);
            }
        }
        for (fault, times) in injected {
            *state.faults.entry(fault.name()).or_default() += times;
        }
    }
}

#[derive(Default, Deserialize)]
struct AccountView {
    balances: Vec<BalanceView>,
}

#[derive(Deserialize)]
struct BalanceView {
    currency: String,
    debits_pending: u64,
    debits_posted: u64,
    credits_pending: u64,
    credits_posted: u64,
}

#[derive(Deserialize)]
struct FeedPage {
    data: Vec<FeedEvent>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct FeedEvent {
    sequence: u64,
}
