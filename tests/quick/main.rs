//! What needs no process: the parts of the service in memory, in virtual time or over a store in a temporary directory.
//!
//! Nothing here starts another program. Between fork and exec a child holds every lock that its parent holds, so a test that closes
//! a store and opens it again would now and then find it in use.

mod bank_client;
mod bank_down;
mod books;
mod damaged_index;
mod data_directory;
mod differential;
mod fuzz_corpus;
mod golden;
mod idempotency_key;
mod pipeline;
mod resolve;
mod service;
mod store_conformance;

#[test]
fn no_test_of_this_binary_starts_a_program() {
    let sources = holdfast_tests::sources_of("quick");
    assert!(!sources.is_empty());
    for (path, text) in sources {
        for words in ["Command", "Server::", "holdfast()", "need_tool"] {
            assert!(!text.contains(words), "{}: {words}", path.display());
        }
    }
}
