//! The registry over real sockets, on loopback.

mod administrator;
mod crowd;
mod hostile;
mod program;
mod reads;
mod secondary;
mod signatures;
mod stage;
mod writes;
