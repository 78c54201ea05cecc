//! Reads of the accounts and the feed at the end of a world, straight from the service, without clients or a network.

use bytes::Bytes;
use http::Request;
use serde::Deserialize;

use super::message::Message;
use super::world::World;

impl World<'_> {
    /// Reads accounts and feed through the API, and checks them against the journal.
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
            // An unreadable answer counts as an empty account, which the auditor rejects.
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

    /// Sends a GET request straight to the service.
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
