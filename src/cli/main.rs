//! trustnet-vm
fn main() {}
