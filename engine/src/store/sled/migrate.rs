//! From older layouts to the current one, once, when a store is opened.
//!
//! Version 1 had neither balances nor the hash chain. Both follow from the journal, so they are made
//! from it. Version 2 lacks only what earlier versions had no words for: the names of banks. The mark moves last: a migration that was cut short is done again.

use std::fs::File;

use super::batch::CHAIN_HEAD_KEY;
use super::directory::{FORMAT_KEY, FORMAT_PREFIX, OpenProblem, io};
use super::format::{self, STORE_FORMAT};
use super::read::{decode_chunk, missing, printable, read};
use crate::chain::{Digest, Head};
use crate::codec::{self, Kind};
use crate::ledger::Book;
use crate::store::StoreError;

/// The format whose values are all read as they are.
const FORMAT_WITHOUT_BANKS: u32 = 2;

/// Balances that are written between two syncs; why there are some, see [`super::batch`].
const BALANCES_AT_ONCE: usize = 512;

pub(super) fn to_current(
    database: &sled::Db,
    log: &File,
    journal: &sled::Tree,
    accounts: &sled::Tree,
    meta: &sled::Tree,
) -> Result<(), OpenProblem> {
    let mark = meta.get(FORMAT_KEY).map_err(OpenProblem::Database)?;
    let mark_is = |format: u32| {
        let expected = format!("{FORMAT_PREFIX}{format}");
        mark.as_ref()
            .is_some_and(|mark| **mark == *expected.as_bytes())
    };
    if mark_is(STORE_FORMAT) {
        return Ok(());
    }
    let sync = || -> Result<(), OpenProblem> {
        database.flush().map_err(OpenProblem::Database)?;
        log.sync_data().map_err(io("syncing the database's log"))
    };
    let put_mark = || {
        let current = format!("{FORMAT_PREFIX}{STORE_FORMAT}");
        let put = meta.insert(FORMAT_KEY, current.as_bytes());
        put.map(|_| ()).map_err(OpenProblem::Database)
    };
    if mark_is(FORMAT_WITHOUT_BANKS) {
        tracing::info!("bringing the store to format {STORE_FORMAT}; what is in it stays as it is");
        return put_mark();
    }
    tracing::info!(
        "bringing the store to format {STORE_FORMAT}; this reads the whole journal once"
    );
    let (book, head) = rebuild(journal).map_err(OpenProblem::Content)?;
    accounts.clear().map_err(OpenProblem::Database)?;
    for (n, (key, balance)) in book.iter().enumerate() {
        if n % BALANCES_AT_ONCE == 0 {
            sync()?;
        }
        let storage_key = format::account_key(key);
        let value = codec::encode(Kind::Account, &storage_key, balance)
            .map_err(|error| OpenProblem::Content(StoreError::Encode(error)))?;
        accounts
            .insert(storage_key, value)
            .map_err(OpenProblem::Database)?;
    }
    let value = codec::encode(Kind::Meta, CHAIN_HEAD_KEY, &head)
        .map_err(|error| OpenProblem::Content(StoreError::Encode(error)))?;
    meta.insert(CHAIN_HEAD_KEY, value)
        .map_err(OpenProblem::Database)?;
    // What the mark stands for is written before the mark; the opening syncs both.
    sync()?;
    put_mark()
}

fn rebuild(journal: &sled::Tree) -> Result<(Book, Head), StoreError> {
    let mut book = Book::default();
    let mut head = Head {
        sequence: 0,
        digest: Digest::GENESIS,
    };
    for item in journal {
        let (storage_key, bytes) = read(item, "journal")?;
        if format::sequence_of(&storage_key) != Some(head.sequence + 1) {
            return Err(missing("journal", &printable(&storage_key)));
        }
        for linked in decode_chunk(&storage_key, &bytes)?.entries {
            let entry = linked.entry;
            let sequence = head.sequence + 1;
            head = Head {
                sequence,
                digest: head.digest.after(sequence, &entry)?,
            };
            if let Some(movement) = &entry.movement {
                book.apply(&entry.merchant, movement)
                    .map_err(StoreError::Ledger)?;
            }
        }
    }
    Ok((book, head))
}
