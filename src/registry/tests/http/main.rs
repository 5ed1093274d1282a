//! The registry over real sockets, on loopback.

mod administrator;
#[path = "../certificates/mod.rs"]
mod certificates;
mod crowd;
mod hostile;
mod program;
mod reads;
mod secondary;
mod signatures;
mod stage;
mod tls;
mod writes;
