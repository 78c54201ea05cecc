//! What takes long, loads the machine or measures it: kills, power losses, full disks, load, long runs, simulated worlds.
//!
//! Every test begins with its turn: `alone`, where other load would change what it finds, or `beside_others`.

mod bank_outage;
mod bench;
mod chaos;
mod crash;
mod disk;
mod feed;
mod full_disk;
mod load;
mod long_run;
mod power_loss;
mod reliability;
mod store_size;
mod strace;

#[test]
fn every_test_of_this_binary_begins_with_its_turn() {
    for (path, text) in holdfast_tests::sources_of("torture") {
        let count = |words: &str| text.matches(words).count();
        let tests = count("#[test]") + count("#[tokio::test");
        let turns = count("let _turn = alone(") + count("let _turn = beside_others(");
        assert!(tests > 0, "{}: no tests", path.display());
        assert_eq!(turns, tests, "{}: turns, tests", path.display());
    }
}
