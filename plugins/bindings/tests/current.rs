//! The bindings that are checked in are those of the contract.

#[test]
fn the_bindings_are_those_of_the_contract() {
    let kept = std::fs::read_to_string(bindings::kept()).expect("they are checked in");
    let current = bindings::generate().expect("the contract is understood");
    assert!(kept == current, "run `cargo run -p bindings` in plugins/");
}
