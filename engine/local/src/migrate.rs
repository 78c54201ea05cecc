//! Migrates older layouts to the current one, once, when a store is opened.
//!
//! Version 1 had neither balances nor the hash chain. Both are computed from the journal. Versions 2 and 3 lack only
//! data that they did not store: the names of banks, and tenures. The version mark is written last, so an interrupted
//! migration is repeated.

use std::fs::File;

use holdfast_core::codec::{self, ValueKind};
use holdfast_core::journal::{Digest, Head};
use holdfast_core::ledger::Book;

use crate::error::{LocalError, missing, printable, read};
use crate::format::{self, STORE_FORMAT};
use crate::meta;
use crate::problem::{OpenProblem, io};
use crate::trees::Trees;
use crate::values::decode_chunk;

/// The formats whose values need no change: one without names of banks, and one without tenures.
const READ_AS_THEY_ARE: [u32; 2] = [2, 3];

/// Number of balances written between two syncs. [`crate::commit`] explains why syncs are needed in between.
const BALANCES_AT_ONCE: usize = 512;

pub(crate) fn to_current(
    database: &sled::Db,
    log: &File,
    trees: &Trees,
) -> Result<(), OpenProblem> {
    let Trees {
        journal,
        accounts,
        meta: tree,
        ..
    } = trees;
    let mark = tree.get(meta::FORMAT).map_err(OpenProblem::Database)?;
    let mark_is = |format: u32| {
        let expected = format!("{}{format}", meta::FORMAT_PREFIX);
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
        let current = format!("{}{STORE_FORMAT}", meta::FORMAT_PREFIX);
        let put = tree.insert(meta::FORMAT, current.as_bytes());
        put.map(|_| ()).map_err(OpenProblem::Database)
    };
    if READ_AS_THEY_ARE.into_iter().any(&mark_is) {
        tracing::info!("upgrading the store to format {STORE_FORMAT}; its contents do not change");
        return put_mark();
    }
    tracing::info!(
        "upgrading the store to format {STORE_FORMAT}; this reads the whole journal once"
    );
    let (book, head) = rebuild(journal).map_err(OpenProblem::Content)?;
    accounts.clear().map_err(OpenProblem::Database)?;
    for (n, (key, balance)) in book.iter().enumerate() {
        if n % BALANCES_AT_ONCE == 0 {
            sync()?;
        }
        let storage_key = format::account_key(key);
        let value = codec::encode(ValueKind::Account, &storage_key, balance)
            .map_err(|error| OpenProblem::Content(LocalError::Encode(error)))?;
        accounts
            .insert(storage_key, value)
            .map_err(OpenProblem::Database)?;
    }
    let value = meta::encode(meta::CHAIN_HEAD, &head)
        .map_err(|error| OpenProblem::Content(LocalError::Encode(error)))?;
    tree.insert(meta::CHAIN_HEAD, value)
        .map_err(OpenProblem::Database)?;
    // The data is written before the mark that announces it; the opening syncs both.
    sync()?;
    put_mark()
}

fn rebuild(journal: &sled::Tree) -> Result<(Book, Head), LocalError> {
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
                    .map_err(LocalError::Ledger)?;
            }
        }
    }
    Ok((book, head))
}
