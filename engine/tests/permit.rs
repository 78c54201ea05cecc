//! The bank cannot be called without a durable intent, nor twice with one permit: such code does not
//! compile. What is durable is the pipeline's to say; tests over the real binary show that part.

#[test]
fn code_that_would_call_the_bank_early_or_twice_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/one_permit_one_call.rs");
    cases.compile_fail("tests/ui/forged_effect.rs");
    cases.compile_fail("tests/ui/forged_permit.rs");
    cases.compile_fail("tests/ui/minted_permit.rs");
    cases.compile_fail("tests/ui/permit_used_twice.rs");
    cases.compile_fail("tests/ui/cloned_permit.rs");
}
