//! `pagi-appliance`: parse, run, exit code.
fn main() {}
