//! What clients were told, and what they may therefore expect for ever.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;

use crate::Answer;

/// What clients were told, by key.
#[derive(Debug, Default)]
pub struct Told {
    sent: BTreeSet<String>,
    /// Location of the payment, from any answer.
    location: BTreeMap<String, String>,
    /// The frozen answer, once there was one.
    last: BTreeMap<String, Answer>,
    replays: u64,
    /// The first answer that did not agree with another.
    wrong: Option<String>,
}

impl Told {
    /// A client sends a request under this key.
    pub fn send(&mut self, key: &str) {
        self.sent.insert(key.to_owned());
    }

    /// A client hears an answer. It is wrong when it is none that a create of a valid payment may get, or does
    /// not agree with what was acknowledged before.
    pub fn hear(&mut self, key: &str, answer: Answer) {
        if let Err(wrong) = self.agrees(key, answer) {
            self.wrong.get_or_insert(wrong);
        }
    }

    /// The first answer that was wrong.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    fn agrees(&mut self, key: &str, answer: Answer) -> Result<(), String> {
        if !answer.is_final()
            && !matches!(
                answer.status,
                StatusCode::ACCEPTED | StatusCode::SERVICE_UNAVAILABLE
            )
        {
            return Err(format!("{key}: {answer:?}"));
        }
        let location = answer.header("location").to_owned();
        if !location.is_empty() {
            let first = self.location.entry(key.to_owned());
            let first = first.or_insert_with(|| location.clone());
            if *first != location {
                return Err(format!("{key} was {first}, and is {location}"));
            }
        }
        if !answer.is_final() {
            return Ok(());
        }
        match self.last.get(key) {
            Some(first) if first.frozen() != answer.frozen() => {
                return Err(format!(
                    "{key} was acknowledged as {first:?}, and is {answer:?}"
                ));
            }
            Some(_) => self.replays += 1,
            None => {
                self.last.insert(key.to_owned(), answer);
            }
        }
        Ok(())
    }

    /// All keys that were ever sent.
    pub const fn sent(&self) -> &BTreeSet<String> {
        &self.sent
    }

    /// All keys of which anyone was told.
    pub fn acknowledged(&self) -> impl Iterator<Item = &String> {
        self.location.keys()
    }

    /// The final answers, by key.
    pub const fn last(&self) -> &BTreeMap<String, Answer> {
        &self.last
    }

    /// Holds what clients were told against the bank's books: one debit for each key, and none besides.
    ///
    /// # Panics
    /// When they differ.
    pub fn agrees_with_books(&self, debits: &BTreeMap<String, u64>) {
        assert_eq!(
            debits.len(),
            self.sent.len(),
            "one debit per key, none besides"
        );
        for (key, answer) in &self.last {
            let answer = answer.json();
            let reference = answer["bank_reference"].as_str();
            let times = reference.and_then(|reference| debits.get(reference));
            assert_eq!(times, Some(&1), "{key} was debited once");
        }
    }

    /// How much there was, in words.
    pub fn summary(&self) -> String {
        format!(
            "{} keys, {} final answers, heard again {} times",
            self.sent.len(),
            self.last.len(),
            self.replays
        )
    }

    /// How often a final answer was heard again.
    pub const fn replays(&self) -> u64 {
        self.replays
    }
}
