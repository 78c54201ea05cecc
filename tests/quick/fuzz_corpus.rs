//! What the fuzz targets check, over the corpus that is kept of them.

use std::path::Path;

use holdfast_tests::fuzz::TARGETS;

#[test]
fn the_corpus_of_every_fuzz_target_breaks_no_promise() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    for (target, check) in TARGETS {
        let inputs = std::fs::read_dir(corpora.join(target)).unwrap();
        let mut inputs: Vec<_> = inputs.map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            println!("{}", input.display());
            check(&std::fs::read(&input).unwrap());
        }
    }
}
